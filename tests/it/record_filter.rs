//! Records that are rejected by their bytes: none of them contains a finding, and they are not parsed.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trailwarden::detect::{Change, Detector, EventSources, Examined, Finding, FindingKind, WatchRules};
use trailwarden::pattern::Pattern;
use trailwarden::rules::Rules;
use trailwarden::trail::{Entry, Limits, RecordBytes, RecordError, RecordReader};

/// A rule that matches no record. It requires no text, so all records that it may apply to are parsed.
pub(crate) const PARSES_ALL: &str =
    r#"{"name": "never", "title": "t", "severity": "low", "pattern": {"never": [{"prefix": "never"}]}}"#;

pub(crate) const RULES: [&str; 9] = [
    r#"{"eventSource": ["s3.amazonaws.com"]}"#,
    r#"{"eventSource": ["s3.amazonaws.com", "lambda.amazonaws.com.cn"], "errorCode": [{"exists": false}]}"#,
    r#"{"eventSource": ["s3.amazonaws.com"], "eventName": ["DeleteBucket", "café"]}"#,
    r#"{"eventName": ["a\"b", "DeleteBucket"]}"#,
    r#"{"finding": {"api_action": ["UpdateEventSourceMapping", "DeleteBucket"]}}"#,
    r#"{"eventSource": [""]}"#,
    r#"{"userIdentity": {"type": ["Root"]}, "eventSource": ["s3.amazonaws.com"]}"#,
    r#"{"requestParameters": {"x": ["DeleteBucket"]}}"#,
    r#"{"eventSource": [{"anything-but": "s3.amazonaws.com"}], "eventName": [{"exists": true}]}"#,
];

pub(crate) fn rules<'r>(patterns: impl IntoIterator<Item = &'r str>, others: &[&str]) -> WatchRules {
    let of_pattern = |(at, pattern): (usize, &str)| {
        format!(r#"{{"name": "rule-{at}", "title": "t", "severity": "low", "pattern": {pattern}}}"#)
    };
    let rules: Vec<_> = patterns.into_iter().enumerate().map(of_pattern).collect();
    let rules = [rules, others.iter().map(|it| (*it).to_owned()).collect()].concat();
    Rules::parse(&format!(r#"{{"watch": [{}]}}"#, rules.join(","))).expect("valid rules").watch
}

/// The services that a pattern lists; none if it may match other services.
fn named_sources(pattern: &str) -> Vec<&'static str> {
    const SOURCES: [&str; 3] = ["s3.amazonaws.com", "lambda.amazonaws.com.cn", ""];
    let pattern: Value = serde_json::from_str(pattern).expect("JSON");
    let listed = pattern["eventSource"].as_array().map_or([].as_slice(), Vec::as_slice);
    let named = |source: &Value| SOURCES.into_iter().find(|it| *source == **it);
    listed.iter().filter_map(named).collect()
}

fn detector(event_sources: &str) -> Detector {
    Detector {
        event_sources: event_sources.parse().expect("event sources"),
        esm_changes: true,
        authentication_failures: true,
        causes: false,
    }
}

/// Strings that matter to detection or a rule, or resemble one that does.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => prop::sample::select(vec![
            "errorCode", "eventName", "eventSource", "requestParameters", "userIdentity", "type", "x", "AccessDenied",
            "NoSuchKey", "LambdaESMDisabled", "UpdateEventSourceMapping20150331", "DeleteEventSourceMapping",
            "ListEventSourceMappings", "DeleteBucket", "DeleteQueue", "sqs.amazonaws.com", "lambda.amazonaws.com", "lambda.amazonaws.com.cn", "enabled",
            "s3.amazonaws.com", "kms.amazonaws.com", "s3.lambda.amazonaws.com", "Root", "café", "a\"b", "", " ",
            r#"{"errorCode":"AccessDenied"}"#, r"\u0065rrorCode", "\\", "\u{fffd}",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from), 6 => text().prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// A value that a field of a record has if detection is to find something, or any value.
fn one_of_or_any(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![3 => prop::sample::select(texts).prop_map(Value::from), 1 => value()]
}

/// The members of a record. In half of the records, `eventName` directly follows `eventSource`, as CloudTrail writes it.
fn members() -> impl Strategy<Value = Vec<(String, Value)>> {
    let usual = prop::sample::select(vec![
        ("sqs.amazonaws.com", "DeleteQueue"),
        ("iam.amazonaws.com.cn", "DeleteRole"),
        ("lambda.amazonaws.com", "DeleteFunction20150331v2"),
        ("s3.amazonaws.com", "DeleteBucket"),
    ]);
    (members_in_any_order(), prop::option::of(usual)).prop_map(|(mut members, usual)| {
        if let Some((source, name)) = usual {
            members.retain(|(key, _)| key != "eventSource" && key != "eventName");
            members.extend([("eventSource".to_owned(), json!(source)), ("eventName".to_owned(), json!(name))]);
        }
        members
    })
}

/// The members of a record, in any order, and possibly repeated.
fn members_in_any_order() -> impl Strategy<Value = Vec<(String, Value)>> {
    let member = |name: &'static str, values: BoxedStrategy<Value>| {
        prop::collection::vec(values.prop_map(move |value| (name.to_owned(), value)), 0..2)
    };
    let sources = one_of_or_any(&[
        "lambda.amazonaws.com",
        "s3.amazonaws.com",
        "lambda.amazonaws.com.cn",
        "sqs.amazonaws.com",
        "iam.amazonaws.com.cn",
    ]);
    let names = one_of_or_any(&[
        "LambdaESMDisabled",
        "UpdateEventSourceMapping20150331",
        "DeleteEventSourceMapping",
        "DeleteBucket",
        "DeleteQueue",
        "DeleteRole",
        "DeleteFunction20150331v2",
        "a\"b",
        "caf\u{e9}",
    ]);
    let codes = one_of_or_any(&["AccessDenied", "NoSuchKey", "ExpiredToken"]);
    let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/orders";
    let request = json!({"enabled": false, "queueUrl": queue, "roleName": "r", "functionName": "f"});
    let parameters = prop_oneof![2 => Just(request), 1 => value()];
    let always = |name: &str, value: &str| (name.to_owned(), json!(value));
    let context = vec![
        always("eventTime", "2026-01-02T03:00:00Z"),
        always("awsRegion", "us-east-1"),
        always("recipientAccountId", "111122223333"),
    ];
    let identity = prop_oneof![Just(json!({"type": "Root"})), value()];
    let fields = (
        member("eventSource", sources.boxed()),
        member("eventName", names.boxed()),
        member("errorCode", codes.boxed()),
        member("requestParameters", parameters.boxed()),
        member("userIdentity", identity.boxed()),
        prop::collection::vec((text(), value()), 0..3),
        Just(context),
    );
    fields.prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].concat()).prop_shuffle()
}

/// Writes JSON with white space and escapes where a sequence of choices says so.
pub(crate) struct Printer<'c> {
    choices: std::iter::Cycle<std::slice::Iter<'c, u8>>,
    json: String,
}

impl<'c> Printer<'c> {
    pub(crate) fn print(members: &[(String, Value)], choices: &'c [u8]) -> String {
        let mut printer = Self { choices: choices.iter().cycle(), json: String::new() };
        printer.members(members.iter().map(|(name, value)| (name.as_str(), value)));
        printer.json
    }

    fn choose(&mut self) -> u8 {
        *self.choices.next().expect("a choice")
    }

    fn token(&mut self, token: &str) {
        let space = ["", "", "", " ", "\n\t", "\r\n  "][usize::from(self.choose() % 6)];
        self.json.push_str(space);
        self.json.push_str(token);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.string(text),
            Value::Array(elements) => self.list("[", "]", elements, Self::value),
            Value::Object(members) => self.members(members.iter().map(|(name, value)| (name.as_str(), value))),
            other => self.token(&other.to_string()),
        }
    }

    fn members<'v>(&mut self, members: impl IntoIterator<Item = (&'v str, &'v Value)>) {
        self.list("{", "}", members, |printer, (name, value)| {
            printer.string(name);
            printer.token(":");
            printer.value(value);
        });
    }

    fn list<I>(&mut self, open: &str, close: &str, items: impl IntoIterator<Item = I>, print: impl Fn(&mut Self, I)) {
        self.token(open);
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.token(",");
            }
            print(self, item);
        }
        self.token(close);
    }

    /// One string in four has escapes.
    fn string(&mut self, text: &str) {
        if !self.choose().is_multiple_of(4) {
            return self.token(&json!(text).to_string());
        }
        self.token("\"");
        for c in text.chars() {
            match self.choose() % 4 {
                0 => self.escape(c, |unit| format!("\\u{unit:04x}")),
                1 => self.escape(c, |unit| format!("\\u{unit:04X}")),
                _ => {
                    let quoted = json!(c).to_string();
                    self.json.push_str(&quoted[1..quoted.len() - 1]);
                }
            }
        }
        self.json.push('"');
    }

    fn escape(&mut self, c: char, escape: impl Fn(&u16) -> String) {
        self.json.extend(c.encode_utf16(&mut [0; 2]).iter().map(escape));
    }
}

fn examine(detector: &Detector, record: &[u8], rules: &WatchRules) -> Result<Examined, RecordError> {
    detector.examine(record, &Arc::from("key"), rules)
}

/// The findings in a log file that is read in chunks of these sizes.
fn found(detector: &Detector, rules: &WatchRules, file: &str, sizes: &[usize]) -> Vec<Finding> {
    found_with_changes(detector, rules, file, sizes).0
}

fn found_with_changes(
    detector: &Detector,
    rules: &WatchRules,
    file: &str,
    sizes: &[usize],
) -> (Vec<Finding>, Vec<Change>) {
    let (mut reader, mut rest, mut found) = (RecordReader::new(Limits::default()), file.as_bytes(), Vec::new());
    let mut changes = Vec::new();
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at(rest.len().min(*size));
        rest = after;
        let examine = |entry: Entry<'_>| {
            let Entry::Record { bytes, .. } = entry else { panic!("a record") };
            let examined = detector.examine(bytes, &Arc::from("key"), rules).expect("a record");
            found.extend(examined.findings);
            changes.extend(examined.change.map(|it| *it));
        };
        reader.push(chunk, examine).expect("a log file");
        if rest.is_empty() {
            break;
        }
    }
    (found, changes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_finding_is_lost_by_rejecting_records(
        records in prop::collection::vec((members(), prop::collection::vec(any::<u8>(), 1..40)), 1..4),
        patterns in prop::sample::subsequence(RULES.to_vec(), 0..4),
        sizes in prop::collection::vec(1_usize..100, 1..4),
    ) {
        let records: Vec<_> = records.iter().map(|(members, choices)| Printer::print(members, choices)).collect();
        let file = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let rules_only = rules(patterns.iter().copied(), &[]);
        let parsing_all = rules(patterns.iter().copied(), &[PARSES_ALL]);
        let all = detector("*");
        let expected = found(&all, &parsing_all, &file, &[usize::MAX]);
        prop_assert_eq!(&found(&all, &rules_only, &file, &sizes), &expected, "{}", file);

        let named = EventSources::only(patterns.iter().flat_map(|pattern| named_sources(pattern)));
        for sources in ["lambda.amazonaws.com", "s3.amazonaws.com,kms.amazonaws.com"] {
            let detector = detector(sources);
            let is_examined = |it: &&Finding| {
                let is_watched = matches!(it.kind, FindingKind::Watched(_));
                let selects = |sources: &EventSources| sources.selects(&it.event.source);
                selects(&detector.event_sources) || is_watched && selects(&named)
            };
            let expected: Vec<_> = expected.iter().filter(is_examined).cloned().collect();
            prop_assert_eq!(&found(&detector, &rules_only, &file, &sizes), &expected, "{}", file);
        }
    }

    /// In the default mode, a repeated key may hide a change, but never a finding.
    #[test]
    fn no_change_is_lost_by_rejecting_records(
        records in prop::collection::vec((members(), prop::collection::vec(any::<u8>(), 1..40)), 1..4),
        patterns in prop::sample::subsequence(RULES.to_vec(), 0..4),
        sizes in prop::collection::vec(1_usize..100, 1..4),
    ) {
        let repeats = |members: &[(String, Value)], key: &str| members.iter().filter(|(name, _)| name == key).count() > 1;
        let is_repeated = records.iter().any(|(it, _)| repeats(it, "eventName") || repeats(it, "eventSource"));
        let records: Vec<_> = records.iter().map(|(members, choices)| Printer::print(members, choices)).collect();
        let file = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let rules_only = rules(patterns.iter().copied(), &[]);
        let parsing_all = rules(patterns.iter().copied(), &[PARSES_ALL]);
        let with_causes = |sources| Detector { causes: true, ..detector(sources) };
        let (_, expected) = found_with_changes(&with_causes("*"), &parsing_all, &file, &[usize::MAX]);
        for sources in ["*", "lambda.amazonaws.com", "s3.amazonaws.com,kms.amazonaws.com"] {
            let (findings, changes) = found_with_changes(&with_causes(sources), &rules_only, &file, &sizes);
            prop_assert_eq!(&findings, &found(&detector(sources), &rules_only, &file, &sizes), "{} {}", sources, file);
            if sources == "*" || !is_repeated {
                prop_assert_eq!(&changes, &expected, "{} {}", sources, file);
            }
        }
    }

    #[test]
    fn a_record_without_escapes_errors_and_names_is_not_parsed(members in members()) {
        let record = Printer::print(&members, &[1]);
        let invalid = record.replacen('{', "{,", 1);
        let result = examine(&detector("*"), invalid.as_bytes(), &WatchRules::default());
        let may_matter = ["errorCode", "LambdaESMDisabled", "UpdateEventSourceMapping", "DeleteEventSourceMapping"]
            .iter().any(|text| record.contains(&format!("\"{text}"))) || record.contains(r"\u");
        prop_assert_eq!(result.is_err(), may_matter, "{}", record);
    }
}

/// Returns true if the detector parses the record. Expects a record that is not JSON.
fn is_parsed(detector: &Detector, record: &str, rules: &WatchRules) -> bool {
    examine(detector, record.as_bytes(), rules).is_err()
}

#[test]
fn only_records_that_may_matter_are_parsed() {
    let (all, no_rules) = (detector("*"), WatchRules::default());
    for (members, parsed) in [
        (r#""eventSource":"s3.amazonaws.com","eventName":"GetObject""#, false),
        (r#""eventSource":"lambda.amazonaws.com","eventName":"GetFunction20150331v2""#, false),
        (r#""eventSource":"lambda.amazonaws.com","eventName":"ListEventSourceMappings20150331""#, false),
        (r#""userAgent":"\"quoted\" \\ errorCode","errorMessage":"no LambdaESMDisabled""#, false),
        (r#""userAgent":"\\u0065""#, false),
        (r#""errorCode":"NoSuchKey""#, true),
        (r#""requestParameters":{"errorCode":null}"#, true),
        (r#""error\u0043ode":"AccessDenied""#, true),
        (r#""eventName":"\u004CambdaESMDisabled""#, true),
        (r#""eventName":"DeleteEventSourceMapping20150331""#, true),
    ] {
        let file = format!(r#"{{"Records":[{{{members},}}]}}"#);
        let mut reader = RecordReader::new(Limits::default());
        let mut results = Vec::new();
        let examine = |entry: Entry<'_>| {
            let Entry::Record { bytes, .. } = entry else { panic!("a record") };
            results.push(all.examine(bytes, &Arc::from("key"), &no_rules));
        };
        reader.push(file.as_bytes(), examine).expect("a log file");
        assert_eq!(results[0].is_err(), parsed, "{members}");
        assert!(parsed || results[0].as_ref().is_ok_and(|it| it.selected), "{members}");
    }
}

#[test]
fn rules_add_only_the_records_that_they_may_match() {
    let record = r#"{"eventSource":"s3.amazonaws.com","eventName":"DeleteBucket",}"#;
    let other = r#"{"eventSource":"s3.amazonaws.com","eventName":"ListBuckets",}"#;
    for (pattern, parsed) in [
        (r#"{"eventSource":["s3.amazonaws.com"],"eventName":["DeleteBucket"]}"#, [true, false]),
        (r#"{"finding":{"api_action":["DeleteBucket"]}}"#, [true, false]),
        (r#"{"eventSource":["s3.amazonaws.com"]}"#, [true, true]),
        (r#"{"eventSource":["kms.amazonaws.com"]}"#, [false, false]),
        (r#"{"eventName":[{"prefix":"Delete"}]}"#, [true, true]),
    ] {
        let rules = rules([pattern], &[]);
        assert_eq!([record, other].map(|it| is_parsed(&detector("*"), it, &rules)), parsed, "{pattern}");
    }
}

#[test]
fn any_number_of_names_is_searched_for() {
    for count in [1, 2, 3, 64, 100, 101, 128, 129, 1_000] {
        let names: Vec<_> = (0..count).map(|n| format!("service{n}.amazonaws.com")).collect();
        let sources = EventSources::lambda_and(names.iter().map(String::as_str));
        let detector = Detector { event_sources: sources, ..Detector::default() };
        for name in [&names[0], &names[count / 2], &names[count - 1]] {
            let record = format!(r#"{{"eventSource":"{name}","errorCode":"AccessDenied"}}"#);
            let examined = examine(&detector, record.as_bytes(), &WatchRules::default()).expect("a record");
            assert_eq!(examined.findings.len(), 1, "{count} {name}");
        }
        let other = r#"{"eventSource":"other.amazonaws.com",}"#;
        assert!(!is_parsed(&detector, other, &WatchRules::default()), "{count}");
    }
}

#[test]
fn names_that_json_can_write_in_several_ways_are_found() {
    for (name, written) in
        [("a\"b", r#"a\"b"#), ("a/b", r"a\/b"), ("a\\b", r"a\\b"), ("a\tb", r"a\tb"), ("é", r"\u00e9")]
    {
        let rules = rules([json!({"eventName": [name]}).to_string().as_str()], &[]);
        let record = format!(r#"{{"eventName":"{written}"}}"#);
        let examined = examine(&detector("*"), record.as_bytes(), &rules).expect("a record");
        assert_eq!(examined.findings.len(), 1, "{name}");
    }
}

#[test]
fn sources_include_only_records_of_their_services() {
    let sources = EventSources::default();
    for (members, expected) in [
        (r#""eventSource":"lambda.amazonaws.com""#, true),
        (r#""eventSource":"lambda.amazonaws.com.cn""#, true),
        (r#""eventSource":"s3.amazonaws.com""#, false),
        (r#""eventSource":"s3.amazonaws.com","userAgent":"lambda.amazonaws.com""#, false),
        (r#""eventSource":"lambda.amazonaws.com","#, false),
    ] {
        let record = format!("{{{members}}}");
        assert_eq!(sources.includes(RecordBytes::from(record.as_bytes())), expected, "{record}");
    }
}

#[test]
fn a_finding_matches_patterns_of_its_record_and_of_itself() {
    let record = br#"{"eventSource":"s3.amazonaws.com","errorCode":"AccessDenied"}"#;
    let examined = examine(&detector("*"), record, &WatchRules::default()).expect("a record");
    for (pattern, expected) in [
        (json!({"eventSource": ["s3.amazonaws.com"]}), true),
        (json!({"finding": {"alert_type": ["access_denied"]}}), true),
        (json!({"finding": {"alert_type": ["esm_disabled"]}}), false),
    ] {
        let parsed = Pattern::parse(&pattern, "").expect("a pattern");
        assert_eq!(examined.findings[0].matches(&parsed, record), expected, "{pattern}");
        assert!(!examined.findings[0].matches(&parsed, b"not JSON"), "{pattern}");
    }
}
