//! Settings: a variable per line.

use std::collections::BTreeMap;

use trailwarden::settings::{ALL, Settings, SettingsError};

use super::Input;

pub(super) fn run(data: &[u8]) -> bool {
    let text = Input::new(data).text();
    let variables: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let read =
        |change: &dyn Fn(&str) -> String| Settings::from_lookup(|name| variables.get(name).map(|value| change(value)));
    let settings = read(&str::to_owned);
    let padded = read(&|value| format!(" {value}\t"));
    assert_eq!(format!("{padded:?}"), format!("{settings:?}"), "white space around the values");
    match settings {
        Ok(settings) => {
            assert_is_valid(&settings);
            true
        }
        Err(error) => {
            assert_names_variables(&error);
            false
        }
    }
}

/// Checks the documented limits.
fn assert_is_valid(settings: &Settings) {
    let topics = [Some(&settings.alert_topic_arn), settings.chat_topic_arn.as_ref(), settings.event_topic_arn.as_ref()];
    let topics: Vec<_> = topics.into_iter().flatten().collect();
    assert!(topics.iter().all(|it| it.starts_with("arn:")), "{topics:?}");
    for (n, topic) in topics.iter().enumerate() {
        assert!(!topics[..n].contains(topic), "{topics:?}");
    }
    assert!(!settings.trail_buckets.is_empty() && settings.trail_buckets.iter().all(|it| (3..=63).contains(&it.len())));
    assert!(settings.ledger_table.len() >= 3);
    assert!((1..=64).contains(&settings.object_concurrency));
    assert!((1 << 10..=64 << 20).contains(&settings.limits.record_bytes));
    assert!(settings.limits.object_bytes >= 1 << 20);
    let needs_account = settings.context.is_some() || settings.member_role_name.is_some();
    assert!(settings.account_id.is_some() || !needs_account);
    let accounts = [&settings.account_id, &settings.trail_bucket_owner];
    assert!(accounts.into_iter().flatten().all(|it| it.len() == 12 && it.bytes().all(|b| b.is_ascii_digit())));
}

fn assert_names_variables(error: &SettingsError) {
    assert!(!error.problems.is_empty());
    for (name, problem) in &error.problems {
        assert!(ALL.iter().any(|(known, ..)| known == name) && !problem.is_empty(), "{name}: {problem}");
    }
    assert!(error.to_string().starts_with("invalid settings; "));
}
