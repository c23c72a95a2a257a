//! Who made a call, for people and for grouping.

use super::arn::Arn;
use crate::trail::{Record, UserIdentity};

/// Who made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What is the same for all calls of one cause: the ARN of the role, without session name, or
    /// of the user; else the best that the record has.
    pub key: String,
    /// Name for people, such as `role deployer (session run-7)`.
    pub display: String,
}

impl Principal {
    /// Reads who made the call from a record.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        record.user_identity.as_ref().map_or_else(unknown, of_identity)
    }
}

fn unknown() -> Principal {
    Principal { key: "unknown".to_owned(), display: "an unknown caller".to_owned() }
}

fn of_identity(identity: &UserIdentity<'_>) -> Principal {
    let account = identity.account_id.as_deref().unwrap_or("an unknown account");
    let arn = identity.arn.as_deref();
    match identity.kind.as_deref() {
        Some("AssumedRole") => role(identity),
        Some("Root") => named(arn.unwrap_or(account), format!("the root user of {account}")),
        Some("AWSAccount") => {
            let key = identity.principal_id.as_deref().or(arn).unwrap_or(account);
            named(key, format!("a caller in account {account}"))
        }
        kind => match (identity.user_name.as_deref(), arn, identity.invoked_by.as_deref()) {
            (Some(name), _, _) => named(arn.unwrap_or(name), format!("{} {name}", kind_of_user(kind))),
            (None, Some(arn), _) => named(arn, arn.to_owned()),
            (None, None, Some(service)) => named(service, format!("the service {service}")),
            (None, None, None) => match identity.principal_id.as_deref() {
                Some(id) => named(id, id.to_owned()),
                None => unknown(),
            },
        },
    }
}

/// A role and its session. The session's ARN is `…:assumed-role/<role>/<session>`.
fn role(identity: &UserIdentity<'_>) -> Principal {
    let issuer = identity.session_context.as_ref().and_then(|it| it.session_issuer.as_ref());
    let session_arn = identity.arn.as_deref().and_then(Arn::parse);
    let mut path = session_arn.map(|it| it.resource.split('/').skip(1)).into_iter().flatten();
    let (role_of_arn, session) = (path.next(), path.next());
    let issuer_name = issuer.and_then(|it| it.user_name.as_deref());
    let Some(name) = issuer_name.or(role_of_arn) else {
        return identity.arn.as_deref().map_or_else(unknown, |arn| named(arn, arn.to_owned()));
    };
    let account = identity.account_id.as_deref().unwrap_or_default();
    let key = match issuer.and_then(|it| it.arn.as_deref()) {
        Some(arn) => arn.to_owned(),
        None => format!("{account}:role/{name}"),
    };
    let display = match session {
        Some(session) => format!("role {name} (session {session})"),
        None => format!("role {name}"),
    };
    Principal { key, display }
}

fn kind_of_user(kind: Option<&str>) -> &'static str {
    match kind {
        Some("IAMUser") => "user",
        Some("FederatedUser" | "SAMLUser" | "WebIdentityUser") => "federated user",
        Some("IdentityCenterUser") => "Identity Center user",
        Some("Role") => "role",
        _ => "caller",
    }
}

fn named(key: &str, display: String) -> Principal {
    Principal { key: key.to_owned(), display }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(identity: &str) -> (String, String) {
        let record = format!(r#"{{"userIdentity":{identity}}}"#);
        let record = Record::parse(record.as_bytes()).expect("a record");
        let Principal { key, display } = Principal::of(&record);
        (key, display)
    }

    #[test]
    fn kinds_of_callers() {
        for (identity, key, display) in [
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/run-7","accountId":"111122223333",
                    "sessionContext":{"sessionIssuer":{"userName":"ci","arn":"arn:aws:iam::111122223333:role/ci"}}}"#,
                "arn:aws:iam::111122223333:role/ci",
                "role ci (session run-7)",
            ),
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/run-7","accountId":"111122223333"}"#,
                "111122223333:role/ci",
                "role ci (session run-7)",
            ),
            (
                r#"{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana","userName":"ana"}"#,
                "arn:aws:iam::111122223333:user/ana",
                "user ana",
            ),
            (
                r#"{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}"#,
                "arn:aws:iam::111122223333:root",
                "the root user of 111122223333",
            ),
            (
                r#"{"type":"AWSAccount","principalId":"AIDA1","accountId":"999999999999"}"#,
                "AIDA1",
                "a caller in account 999999999999",
            ),
            (
                r#"{"type":"AWSService","invokedBy":"events.amazonaws.com"}"#,
                "events.amazonaws.com",
                "the service events.amazonaws.com",
            ),
            (r#"{"accountId":"1","invokedBy":"AWS Internal"}"#, "AWS Internal", "the service AWS Internal"),
            (r#"{"principalId":"AIDA2"}"#, "AIDA2", "AIDA2"),
            (r#"{"type":"AssumedRole"}"#, "unknown", "an unknown caller"),
            ("{}", "unknown", "an unknown caller"),
            ("null", "unknown", "an unknown caller"),
            ("7", "unknown", "an unknown caller"),
        ] {
            assert_eq!(principal(identity), (key.to_owned(), display.to_owned()), "{identity}");
        }
    }
}
