//! Names of Lambda's API actions, without the API version.
//!
//! Lambda appends the API version to the event names of its older operations, as in `DeleteFunction20150331` or
//! `UpdateFunctionCode20150331v2`. Operations since about 2019 have no version. People and rules use `DeleteFunction`
//! for all of them.

/// Removes the API version from the name of a Lambda event: `base YYYYMMDD ["v" number]`.
///
/// Use it only for events of Lambda. The same ending in the name of another service's event means something else.
#[must_use]
pub(super) fn api_action(event_name: &str) -> &str {
    let unversioned = match event_name.rsplit_once('v') {
        Some((front, version)) if is_number(version) && !version.starts_with('0') => front,
        _ => event_name,
    };
    match unversioned.len().checked_sub(8).and_then(|at| unversioned.split_at_checked(at)) {
        Some((base, date)) if is_date(date) && is_word(base) => base,
        _ => event_name,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// A date from 1900 to 2099, `YYYYMMDD`.
fn is_date(text: &str) -> bool {
    let number = |part: Option<&str>| part.filter(|it| is_number(it)).and_then(|it| it.parse::<u16>().ok());
    let (year, month, day) = (number(text.get(..4)), number(text.get(4..6)), number(text.get(6..)));
    matches!((year, month, day), (Some(1900..=2099), Some(1..=12), Some(1..=31)))
}

#[cfg(test)]
mod tests {
    use super::api_action;

    #[test]
    fn only_api_versions_are_removed() {
        for (event_name, expected) in [
            ("DeleteFunction20150331", "DeleteFunction"),
            ("DeleteFunction", "DeleteFunction"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("TagResource20170331v2", "TagResource"),
            ("PutFunctionConcurrency20171031", "PutFunctionConcurrency"),
            ("CreateFunctionUrlConfig", "CreateFunctionUrlConfig"),
            ("LambdaESMDisabled", "LambdaESMDisabled"),
            ("Invoke", "Invoke"),
            ("InvokeExecution", "InvokeExecution"),
            ("ListPublicKeys2018_06_18", "ListPublicKeys2018_06_18"),
            ("X20151331", "X20151331"),
            ("X20150332", "X20150332"),
            ("X18991231", "X18991231"),
            ("X20150331v0", "X20150331v0"),
            ("X20150331v", "X20150331v"),
            ("20150331", "20150331"),
            ("Öffnen20150331", "Öffnen20150331"),
            ("é2015033", "é2015033"),
            ("", ""),
        ] {
            assert_eq!(api_action(event_name), expected, "{event_name}");
        }
    }
}
