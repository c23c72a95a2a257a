//! Checks the tables of settings and of template parameters.

use trailwarden::settings::{self, Settings};

use super::{TEMPLATE, table};

/// Reads settings with the required variables and one more.
fn settings_with(name: &str, value: &str) -> Result<Settings, settings::SettingsError> {
    Settings::from_lookup(|variable| match variable {
        it if it == name => Some(value.to_owned()),
        settings::ENV_ALERT_TOPIC_ARN => Some("arn:aws:sns:us-east-1:111122223333:alerts".to_owned()),
        settings::ENV_TRAIL_BUCKETS => Some("trail".to_owned()),
        settings::ENV_LEDGER_TABLE => Some("ledger".to_owned()),
        _ => None,
    })
}

/// Parses a figure such as `64 MiB`.
fn number(figure: &str) -> u64 {
    let (number, unit) = figure.split_once(' ').unwrap_or((figure, ""));
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        unit => panic!("a unit, found {unit:?}"),
    };
    factor * number.parse::<u64>().expect("a number")
}

#[test]
fn documented_settings_are_those_of_the_code() {
    let documented = table("name");
    let documented: Vec<_> =
        documented.iter().map(|row| (row[0].trim_matches('`'), row[1].as_str(), row[2].as_str())).collect();
    assert_eq!(documented, settings::ALL);
}

#[test]
fn a_documented_default_has_the_same_effect_as_no_value() {
    let without = format!("{:?}", settings_with("", "").expect("settings"));
    let mut defaults = 0;
    for (name, default, _) in settings::ALL.iter().filter(|(_, default, _)| !["required", "none"].contains(default)) {
        let with = settings_with(name, default.trim_matches('`')).expect("settings");
        assert_eq!(format!("{with:?}"), without, "{name}");
        defaults += 1;
    }
    assert_eq!(defaults, 12);
}

#[test]
fn documented_bounds_of_settings_are_exact() {
    let mut bounded = 0;
    for (name, _, meaning) in settings::ALL {
        let bounds = meaning.rsplit(", ").next().expect("text");
        let (least, most) = match (bounds.split_once(" to "), bounds.strip_prefix("from ")) {
            (Some((least, most)), _) if bounds.starts_with(|c: char| c.is_ascii_digit()) => (least, Some(most)),
            (_, Some(least)) => (least, None),
            _ => continue,
        };
        let is_valid = |value: u64| settings_with(name, &value.to_string()).is_ok();
        assert_eq!([number(least) - 1, number(least)].map(is_valid), [false, true], "{name} from {least}");
        if let Some(most) = most.map(number) {
            assert_eq!([most, most + 1].map(is_valid), [true, false], "{name} to {most}");
        }
        bounded += 1;
    }
    assert_eq!(bounded, 4);
}

#[test]
fn the_template_sets_only_existing_variables() {
    let (_, variables) = TEMPLATE.split_once("        Variables:\n").expect("variables");
    let is_name = |line: &&str| line.starts_with("          ") && !line.starts_with("           ");
    let section = variables.lines().take_while(|line| line.starts_with("          "));
    let names: Vec<_> = section.filter(is_name).filter_map(|line| line.trim().split(':').next()).collect();
    assert_eq!(names.len(), 21);
    assert!(names.iter().all(|name| settings::ALL.iter().any(|(it, _, _)| it == name)));
}

#[test]
fn documented_parameters_are_those_of_the_template() {
    let (_, parameters) = TEMPLATE.split_once("\nParameters:\n").expect("parameters");
    let (parameters, _) = parameters.split_once("\nConditions:\n").expect("conditions");
    let mut expected = Vec::new();
    for line in parameters.lines() {
        if let Some(default) = line.strip_prefix("    Default: ") {
            let (_, shown) = expected.last_mut().expect("a parameter");
            *shown = default.trim_matches('"').to_owned();
        } else if line.starts_with("  ") && !line.starts_with("   ") {
            expected.push((line.trim().trim_end_matches(':').to_owned(), String::new()));
        }
    }
    // An empty default is documented as `none`.
    let shown = |default: &str| match default.trim_matches('`') {
        "none" => String::new(),
        default => default.to_owned(),
    };
    let no_topic = "arn:aws:sns:us-east-1:000000000000:none";
    expected.iter_mut().filter(|(_, default)| default == no_topic).for_each(|(_, default)| default.clear());
    let documented: Vec<_> =
        table("parameter").iter().map(|row| (row[0].trim_matches('`').to_owned(), shown(&row[1]))).collect();
    assert_eq!(documented, expected);
}
