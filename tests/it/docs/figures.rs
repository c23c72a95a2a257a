//! Checks that figures in the documents equal the constants that they come from.

use trailwarden::detect::EsmCategory;
use trailwarden::triage::{LEASE, MAX_CONTRIBUTIONS, MAX_INCIDENTS_PER_CALLER, alert_threshold};

use super::{TEMPLATE, documents};

/// The number of alerts about this many events, if they arrive one by one.
fn alerts_about(events: u64) -> u64 {
    (1..=events).filter(|count| alert_threshold(*count) == *count).count() as u64
}

/// A number in the template, by its key.
fn in_template(key: &str) -> u64 {
    let (_, value) = TEMPLATE.split_once(&format!("{key}: ")).expect("a key");
    value.split(|c: char| !c.is_ascii_digit()).next().and_then(|it| it.parse().ok()).expect("a number")
}

/// Each figure, and the phrases that contain it in the documents, with `{}` in its place.
fn figures() -> Vec<(u64, &'static [&'static str])> {
    let summaries = alerts_about(2_000) - 1;
    vec![
        (LEASE.as_secs(), &["lease of {} seconds", "lease expires after {} seconds"]),
        (MAX_INCIDENTS_PER_CALLER, &["more than {} incidents", "more than {} different denied calls"]),
        (MAX_INCIDENTS_PER_CALLER + 1, &["at the {}st incident"]),
        (MAX_CONTRIBUTIONS as u64, &["up to {} contributions"]),
        (EsmCategory::ALL.len() as u64 - 1, &["its {} codes", "names {} codes"]),
        (alerts_about(5_000), &["at most {} alerts"]),
        // At the 21st action instead of the 10th, then at the 100th and the 1,000th.
        (MAX_INCIDENTS_PER_CALLER + summaries, &["or {} alerts if"]),
        (
            in_template("MessageRetentionPeriod") / 86_400,
            &["Lambda, for {} days", "notification, for {} days", "notifications for {} days"],
        ),
        (in_template("maxReceiveCount"), &["{}, by the queue"]),
        (in_template("MaximumRetryAttempts") + 1, &["{}, by Lambda"]),
        (
            in_template("MaximumEventAgeInSeconds") / 3_600,
            &["within {} hours, it sends", "invocations wait {} hours", "wait for up to {} hours"],
        ),
    ]
}

/// Parses a number: in digits, with or without thousands separators, or spelled out.
fn number(word: &str) -> Option<u64> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    let spelled = WORDS.iter().position(|it| it.eq_ignore_ascii_case(word)).map(|number| number as u64);
    spelled.or_else(|| word.replace(',', "").parse().ok())
}

/// The words of a text, without markup and punctuation.
fn words(text: &str) -> Vec<&str> {
    let marks = |c: char| "`*|.,;:()".contains(c);
    text.split_whitespace().map(|word| word.trim_matches(marks)).filter(|word| !word.is_empty()).collect()
}

/// The numbers in place of `{}` wherever a text contains a phrase.
fn numbers(text: &[&str], phrase: &str) -> Vec<u64> {
    let phrase = words(phrase);
    let number_in = |text: &[&str]| {
        let mut found = None;
        for (word, expected) in text.iter().zip(&phrase) {
            match expected.split_once("{}") {
                Some((before, after)) => found = number(word.strip_prefix(before)?.strip_suffix(after)?),
                None if word.eq_ignore_ascii_case(expected) => {}
                None => return None,
            }
        }
        found
    };
    text.windows(phrase.len()).filter_map(number_in).collect()
}

#[test]
fn repeated_figures_equal_their_constants() {
    let documents = documents();
    let text = words(&documents);
    for (expected, phrases) in figures() {
        let found: Vec<_> = phrases.iter().flat_map(|phrase| numbers(&text, phrase)).collect();
        assert!(!found.is_empty(), "no document says {phrases:?}");
        assert!(found.iter().all(|it| *it == expected), "{phrases:?}: expected {expected}, found {found:?}");
    }
}
