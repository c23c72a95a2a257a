//! Settings, read from environment variables at startup.
//!
//! An invalid value is an error; it is never replaced by a default. One error reports all problems.

use std::fmt;

use crate::detect::{Arn, Detector, EventSources};
use crate::enrich::OwnerTagKeys;
use crate::rules::Rules;
use crate::s3_object::S3Object;
use crate::sweep::{SweepAccounts, SweepPlaces, SweepRegions};
use crate::trail::Limits;
use crate::triage::WindowLength;

/// ARN of the topic for people.
pub const ENV_ALERT_TOPIC_ARN: &str = "ALERT_TOPIC_ARN";
/// ARN of the topic for chat.
const ENV_CHAT_TOPIC_ARN: &str = "CHAT_TOPIC_ARN";
/// ARN of the topic for machines.
const ENV_EVENT_TOPIC_ARN: &str = "EVENT_TOPIC_ARN";
/// Buckets that may be read, comma-separated.
pub const ENV_TRAIL_BUCKETS: &str = "TRAIL_BUCKETS";
/// Account that owns the buckets.
const ENV_TRAIL_BUCKET_OWNER: &str = "TRAIL_BUCKET_OWNER";
/// Region of the buckets.
const ENV_TRAIL_BUCKET_REGION: &str = "TRAIL_BUCKET_REGION";
/// Services to examine, comma-separated, or `*`.
const ENV_EVENT_SOURCES: &str = "EVENT_SOURCES";
/// Accept CloudTrail events about event source mappings that EventBridge delivers.
const ENV_FAST_PATH: &str = "FAST_PATH";
const ENV_SILENCE_CHECK: &str = "SILENCE_CHECK";
/// Alert on mappings that users disable, delete or enable.
const ENV_ESM_CHANGES: &str = "ESM_CHANGES";
/// Name the likely causes of stopped mappings.
const ENV_CAUSES: &str = "CAUSES";
/// Alert on calls with invalid credentials.
const ENV_AUTHENTICATION_FAILURES: &str = "AUTHENTICATION_FAILURES";
/// Look up stopped mappings in the Lambda API before alerting on them.
const ENV_CONTEXT: &str = "CONTEXT";
/// Keys of the tags that name the owner of a function, comma-separated.
const ENV_OWNER_TAG_KEYS: &str = "OWNER_TAG_KEYS";
/// Account of the function.
const ENV_ACCOUNT_ID: &str = "ACCOUNT_ID";
/// Accounts to sweep, comma-separated, or `*`.
const ENV_SWEEP_ACCOUNTS: &str = "SWEEP_ACCOUNTS";
/// Regions to sweep, comma-separated, or `*`.
const ENV_SWEEP_REGIONS: &str = "SWEEP_REGIONS";
/// Name of the role that the function assumes in other accounts.
const ENV_MEMBER_ROLE_NAME: &str = "MEMBER_ROLE_NAME";
/// Rules as JSON.
const ENV_RULES: &str = "RULES";
/// S3 URI of the object that holds the rules.
const ENV_RULES_URI: &str = "RULES_URI";
/// Name of the DynamoDB table that holds the shared deduplication state.
pub const ENV_LEDGER_TABLE: &str = "LEDGER_TABLE";
/// Length of the windows in which denials with one cause are counted, in hours.
const ENV_STORM_WINDOW_HOURS: &str = "STORM_WINDOW_HOURS";
/// Number of objects that are read concurrently.
const ENV_OBJECT_CONCURRENCY: &str = "OBJECT_CONCURRENCY";
/// Maximum length of a record in bytes.
const ENV_MAX_RECORD_BYTES: &str = "MAX_RECORD_BYTES";
/// Maximum inflated length of an object in bytes.
const ENV_MAX_OBJECT_BYTES: &str = "MAX_OBJECT_BYTES";

/// Region of the function. Lambda sets this variable; it is not a setting.
const ENV_FUNCTION_REGION: &str = "AWS_REGION";
/// Memory of the function in MB. Lambda sets this variable; it is not a setting.
const ENV_FUNCTION_MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
const MEBIBYTE: u64 = 1 << 20;
/// Memory that is not available to the buffers of log objects: about 32 MiB for the process and its connections, and 8
/// MiB for incidents.
const RESERVED_BYTES: u64 = 40 * MEBIBYTE;

/// Enough objects to keep the processor busy while some of them wait for S3.
const DEFAULT_CONCURRENCY: usize = 8;

/// All settings, with their default and meaning, as the documentation lists them.
pub const ALL: [(&str, &str, &str); 25] = [
    (ENV_ALERT_TOPIC_ARN, "required", "topic for people: alerts as text"),
    (ENV_CHAT_TOPIC_ARN, "none", "topic for Amazon Q Developer in chat applications"),
    (ENV_EVENT_TOPIC_ARN, "none", "topic for machines: alerts as JSON, see [event.schema.json](event.schema.json)"),
    (ENV_TRAIL_BUCKETS, "required", "buckets that may be read, comma-separated"),
    (ENV_TRAIL_BUCKET_OWNER, "none", "account that must own the buckets; S3 rejects requests for other buckets"),
    (ENV_TRAIL_BUCKET_REGION, "none", "Region of the buckets, if it is not the function's"),
    (
        ENV_EVENT_SOURCES,
        "`lambda.amazonaws.com`",
        "services to examine besides Lambda, comma-separated, or `*` for all",
    ),
    (ENV_FAST_PATH, "`off`", "`on`: accept CloudTrail events about event source mappings that EventBridge delivers"),
    (ENV_ESM_CHANGES, "`off`", "`on`: alert on mappings that users disable, delete or enable"),
    (
        ENV_CAUSES,
        "`off`",
        "`on`: name the likely cause of a stopped mapping: who changed a resource that it depends on",
    ),
    (ENV_AUTHENTICATION_FAILURES, "`off`", "`on`: alert on calls with expired or invalid credentials"),
    (
        ENV_SILENCE_CHECK,
        "`off`",
        "`on`: record when digest files arrive, so that silent accounts and Regions can be detected",
    ),
    (
        ENV_CONTEXT,
        "`off`",
        "`on`: before alerting on a stopped mapping, look up its state and the owner of its function in the Lambda API",
    ),
    (
        ENV_OWNER_TAG_KEYS,
        "`owner,team,service`",
        "keys of the tags that name the owner of a function, comma-separated, at most ten; not case-sensitive",
    ),
    (ENV_ACCOUNT_ID, "none", "account of the function; required with `CONTEXT=on` and with `MEMBER_ROLE_NAME`"),
    (
        ENV_MEMBER_ROLE_NAME,
        "none",
        "role that the function assumes in other accounts to call the Lambda API, with its path if it has one",
    ),
    (
        ENV_SWEEP_ACCOUNTS,
        "none",
        "accounts to sweep, comma-separated, or `*` for all accounts whose digest files arrive; by default, the account of the function",
    ),
    (
        ENV_SWEEP_REGIONS,
        "none",
        "Regions to sweep, comma-separated, or `*` for all Regions whose digest files arrive; by default, the Region of the function",
    ),
    (ENV_RULES, "none", "watch rules and suppressions as JSON; Lambda allows 4 KB for all variables together"),
    (
        ENV_RULES_URI,
        "none",
        "S3 object with watch rules and suppressions, as `s3://bucket/key`; a change takes effect within five minutes",
    ),
    (ENV_LEDGER_TABLE, "required", "DynamoDB table that holds the shared deduplication state"),
    (ENV_STORM_WINDOW_HOURS, "24", "length of the windows in which denials are counted, in hours, 1 to 168"),
    (ENV_OBJECT_CONCURRENCY, "8", "number of objects that an invocation reads concurrently, 1 to 64"),
    (ENV_MAX_RECORD_BYTES, "4194304", "maximum length of a record; a longer record fails its object, 1 KiB to 64 MiB"),
    (ENV_MAX_OBJECT_BYTES, "4294967296", "maximum inflated length of an object; a longer object fails, from 1 MiB"),
];

/// The settings of the function.
#[derive(Debug, Clone)]
pub struct Settings {
    /// ARN of the topic for people.
    pub alert_topic_arn: String,
    /// ARN of the topic for chat.
    pub chat_topic_arn: Option<String>,
    /// ARN of the topic for machines.
    pub event_topic_arn: Option<String>,
    /// Buckets that may be read.
    pub trail_buckets: Vec<String>,
    /// Account that must own the buckets.
    pub trail_bucket_owner: Option<String>,
    /// Region of the buckets, if it is not that of the function.
    pub trail_bucket_region: Option<String>,
    /// What to detect. Changes of mappings are always detected, because a change may end a stop.
    pub detector: Detector,
    /// Alert on mappings that users change.
    pub esm_changes: bool,
    /// Accept inline records: CloudTrail events about event source mappings that EventBridge delivers.
    pub fast_path: bool,
    /// Record heartbeats for the check for silence.
    pub silence_check: bool,
    /// Keys of the tags that name an owner, to look up the context of stopped mappings; `None` to look up no context.
    pub context: Option<OwnerTagKeys>,
    /// Account of the function.
    pub account_id: Option<String>,
    /// Name of the role that the function assumes in other accounts.
    pub member_role_name: Option<String>,
    /// Accounts and Regions to sweep.
    pub sweep: SweepPlaces,
    /// The user's rules.
    pub rules: RulesSetting,
    /// Name or ARN of the DynamoDB table that holds the shared deduplication state.
    pub ledger_table: String,
    /// Length of the windows in which denials with one cause are counted.
    pub windows: WindowLength,
    /// Number of objects that are read concurrently.
    pub object_concurrency: usize,
    /// Limits on the sizes of objects and records.
    pub limits: Limits,
}

/// Where the user's rules are.
#[derive(Debug, Clone, PartialEq)]
pub enum RulesSetting {
    /// In the settings; empty if the user has no rules.
    Inline(Rules),
    /// In an S3 object.
    Object(S3Object),
}

/// All problems in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// Problems, each with the name of its variable.
    pub problems: Vec<(&'static str, String)>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings")?;
        self.problems.iter().try_for_each(|(name, problem)| write!(f, "; {name}: {problem}"))
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the settings through `lookup`, which returns the value of a variable. An empty variable counts as not set.
    ///
    /// ```
    /// use trailwarden::settings::Settings;
    ///
    /// let settings = Settings::from_lookup(|name| match name {
    ///     "ALERT_TOPIC_ARN" => Some("arn:aws:sns:us-east-1:111122223333:alerts".to_owned()),
    ///     "TRAIL_BUCKETS" => Some("trail-a, trail-b".to_owned()),
    ///     "LEDGER_TABLE" => Some("ledger".to_owned()),
    ///     _ => None,
    /// })?;
    /// assert_eq!(settings.trail_buckets, ["trail-a", "trail-b"]);
    /// # Ok::<(), trailwarden::settings::SettingsError>(())
    /// ```
    ///
    /// # Errors
    /// If a required variable is missing, a value is invalid, or the settings need more memory than the function has.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut read = Reader { lookup, problems: Vec::new() };
        let defaults = Limits::default();
        let settings = Self {
            alert_topic_arn: read.required(ENV_ALERT_TOPIC_ARN, topic_arn).unwrap_or_default(),
            chat_topic_arn: read.optional(ENV_CHAT_TOPIC_ARN, topic_arn),
            event_topic_arn: read.optional(ENV_EVENT_TOPIC_ARN, topic_arn),
            trail_buckets: read.required(ENV_TRAIL_BUCKETS, buckets).unwrap_or_default(),
            trail_bucket_owner: read.optional(ENV_TRAIL_BUCKET_OWNER, account_id),
            trail_bucket_region: read.optional(ENV_TRAIL_BUCKET_REGION, region),
            detector: Detector {
                event_sources: read
                    .optional(ENV_EVENT_SOURCES, |text| text.parse::<EventSources>().map_err(|error| error.to_string()))
                    .unwrap_or_default(),
                esm_changes: true,
                authentication_failures: read.optional(ENV_AUTHENTICATION_FAILURES, switch).unwrap_or_default(),
                causes: read.optional(ENV_CAUSES, switch).unwrap_or_default(),
            },
            fast_path: read.optional(ENV_FAST_PATH, switch).unwrap_or_default(),
            esm_changes: read.optional(ENV_ESM_CHANGES, switch).unwrap_or_default(),
            silence_check: read.optional(ENV_SILENCE_CHECK, switch).unwrap_or_default(),
            context: read.context(),
            account_id: read.optional(ENV_ACCOUNT_ID, account_id),
            member_role_name: read.optional(ENV_MEMBER_ROLE_NAME, role_name),
            sweep: read.sweep(),
            rules: read.rules(),
            ledger_table: read.required(ENV_LEDGER_TABLE, table_name).unwrap_or_default(),
            windows: read.optional(ENV_STORM_WINDOW_HOURS, window_length).unwrap_or_default(),
            object_concurrency: read
                .optional(ENV_OBJECT_CONCURRENCY, |text| number(text, 1, 64))
                .map_or(DEFAULT_CONCURRENCY, |number| number as usize),
            limits: Limits {
                record_bytes: read
                    .optional(ENV_MAX_RECORD_BYTES, |text| number(text, 1 << 10, 64 << 20))
                    .map_or(defaults.record_bytes, |bytes| bytes as usize),
                object_bytes: read
                    .optional(ENV_MAX_OBJECT_BYTES, |text| number(text, 1 << 20, u64::MAX))
                    .unwrap_or(defaults.object_bytes),
            },
        };
        read.distinct_topics(&settings);
        read.own_account(&settings);
        read.enough_memory(&settings);
        if read.problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems: read.problems }) }
    }
}

/// Reads variables and collects their problems.
struct Reader<L> {
    lookup: L,
    problems: Vec<(&'static str, String)>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn optional<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = (self.lookup)(name).filter(|value| !value.trim().is_empty())?;
        parse(value.trim()).map_err(|problem| self.problems.push((name, problem))).ok()
    }

    /// Checks that the topics differ. Each topic has one format, and Amazon Q Developer silently drops messages in
    /// another.
    fn distinct_topics(&mut self, settings: &Settings) {
        let alert = Some(&settings.alert_topic_arn);
        let (chat, event) = (settings.chat_topic_arn.as_ref(), settings.event_topic_arn.as_ref());
        if chat.is_some() && chat == alert {
            self.problems.push((ENV_CHAT_TOPIC_ARN, "expected a different topic than ALERT_TOPIC_ARN".to_owned()));
        }
        if event.is_some() && (event == alert || event == chat) {
            self.problems.push((
                ENV_EVENT_TOPIC_ARN,
                "expected a different topic than ALERT_TOPIC_ARN and CHAT_TOPIC_ARN".to_owned(),
            ));
        }
    }

    /// Checks that the function can distinguish its own account from member accounts.
    fn own_account(&mut self, settings: &Settings) {
        let needed_by =
            [(settings.context.is_some(), "CONTEXT=on"), (settings.member_role_name.is_some(), "MEMBER_ROLE_NAME")];
        if let (Some((_, setting)), None) = (needed_by.iter().find(|(is_set, _)| *is_set), &settings.account_id)
            && !self.problems.iter().any(|(name, _)| *name == ENV_ACCOUNT_ID)
        {
            self.problems.push((ENV_ACCOUNT_ID, format!("required with {setting}")));
        }
    }

    /// Checks that the buffers fit into memory. Each object that is being read has a buffer, which grows to a power of
    /// two if a record is long.
    fn enough_memory(&mut self, settings: &Settings) {
        let memory = (self.lookup)(ENV_FUNCTION_MEMORY).and_then(|text| text.trim().parse::<u64>().ok());
        let Some(memory) = memory else { return };
        let Settings { object_concurrency, limits, .. } = settings;
        let buffer = limits.max_buffer_bytes() as u64;
        let needed = (*object_concurrency as u64 * buffer + RESERVED_BYTES).div_ceil(MEBIBYTE);
        if needed > memory {
            let problem = format!(
                "with OBJECT_CONCURRENCY={object_concurrency}, records of {} bytes need up to {needed} MB of memory, but the \
                 function has {memory} MB",
                limits.record_bytes
            );
            self.problems.push((ENV_MAX_RECORD_BYTES, problem));
        }
    }

    fn context(&mut self) -> Option<OwnerTagKeys> {
        let is_on = self.optional(ENV_CONTEXT, switch).unwrap_or_default();
        let keys =
            self.optional(ENV_OWNER_TAG_KEYS, |text| text.parse::<OwnerTagKeys>().map_err(|error| error.to_string()));
        is_on.then(|| keys.unwrap_or_default())
    }

    /// The accounts and Regions to sweep; by default, those of the function.
    fn sweep(&mut self) -> SweepPlaces {
        let own = |reader: &Self, name: &str| {
            (reader.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let accounts = self.optional(ENV_SWEEP_ACCOUNTS, |text| all_or(text, account_id));
        let regions = self.optional(ENV_SWEEP_REGIONS, |text| all_or(text, region));
        SweepPlaces {
            accounts: match accounts {
                Some(None) => SweepAccounts::OfTrail,
                Some(Some(listed)) => SweepAccounts::Listed(listed),
                None => SweepAccounts::Listed(own(self, ENV_ACCOUNT_ID).into_iter().collect()),
            },
            regions: match regions {
                Some(None) => SweepRegions::OfTrail,
                Some(Some(listed)) => SweepRegions::Listed(listed),
                None => SweepRegions::Listed(own(self, ENV_FUNCTION_REGION).into_iter().collect()),
            },
        }
    }

    fn rules(&mut self) -> RulesSetting {
        let inline = self.optional(ENV_RULES, |text| Rules::parse(text).map_err(|error| error.to_string()));
        let object = self.optional(ENV_RULES_URI, s3_uri);
        if inline.is_some() && object.is_some() {
            self.problems.push((ENV_RULES_URI, "set RULES or RULES_URI, not both".to_owned()));
        }
        object.map_or_else(|| RulesSetting::Inline(inline.unwrap_or_default()), RulesSetting::Object)
    }

    fn required<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let problems_before = self.problems.len();
        let value = self.optional(name, parse);
        if value.is_none() && self.problems.len() == problems_before {
            self.problems.push((name, "required but not set".to_owned()));
        }
        value
    }
}

fn topic_arn(text: &str) -> Result<String, String> {
    match Arn::parse(text) {
        Some(arn) if arn.service == "sns" && !arn.region.is_empty() && !arn.resource.contains(':') => {
            Ok(text.to_owned())
        }
        _ => Err(format!("expected the ARN of an SNS topic, found {text:?}")),
    }
}

/// Parses the name of a table, which has 3 to 255 letters, digits, underscores, hyphens and dots ("Naming rules",
/// Amazon DynamoDB Developer Guide), or its ARN.
fn table_name(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        (3..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    let is_arn = |arn: Arn<'_>| arn.service == "dynamodb" && arn.resource.strip_prefix("table/").is_some_and(is_name);
    if is_name(text) || Arn::parse(text).is_some_and(is_arn) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected the name or ARN of a DynamoDB table, found {text:?}"))
    }
}

fn window_length(text: &str) -> Result<WindowLength, String> {
    let [min, max] = WindowLength::HOURS;
    let hours = number(text, min.into(), max.into())?;
    WindowLength::of_hours(hours as u16).ok_or_else(|| format!("expected a number of hours, found {text:?}"))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// Parses a comma-separated list; `None` for `*`.
fn all_or(text: &str, parse: impl Fn(&str) -> Result<String, String>) -> Result<Option<Vec<String>>, String> {
    if text == "*" { Ok(None) } else { list(text).map(parse).collect::<Result<_, _>>().map(Some) }
}

/// Parses names of buckets, which have 3 to 63 lowercase letters, digits, dots and hyphens ("General purpose bucket
/// naming rules", Amazon S3 User Guide). The names of old buckets may contain underscores.
fn buckets(text: &str) -> Result<Vec<String>, String> {
    let is_bucket = |name: &str| {
        (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
    };
    match list(text).find(|name| !is_bucket(name)) {
        Some(name) => Err(format!("expected bucket names, found {name:?}")),
        None => Ok(list(text).map(str::to_owned).collect()),
    }
}

fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected an account ID of 12 digits, found {text:?}"))
    }
}

/// Parses the name of a role, with its path but without the leading slash. A name has 1 to 64 letters, digits and
/// `+=,.@_-` ("IAM and AWS STS quotas", IAM User Guide).
fn role_name(text: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        (1..=64).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
    };
    if text.split('/').all(is_part) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected the name of a role, found {text:?}"))
    }
}

fn region(text: &str) -> Result<String, String> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if text.split('-').count() >= 3 && text.split('-').all(is_part) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected a Region such as us-east-1, found {text:?}"))
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("expected on or off, found {text:?}")),
    }
}

fn s3_uri(text: &str) -> Result<S3Object, String> {
    match text.strip_prefix("s3://").and_then(|path| path.split_once('/')) {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(S3Object::new(bucket, key)),
        _ => Err(format!("expected s3://bucket/key, found {text:?}")),
    }
}

fn number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from {min} to {max}, found {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 3] = [
        (ENV_ALERT_TOPIC_ARN, "arn:aws:sns:us-east-1:111122223333:alerts"),
        (ENV_TRAIL_BUCKETS, "trail-a"),
        (ENV_LEDGER_TABLE, "ledger"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let all: Vec<_> = variables.iter().chain(&REQUIRED).collect();
        Settings::from_lookup(|name| all.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn unset_variables_have_defaults() {
        let settings = read(&[]).expect("settings");
        assert_eq!(settings.limits, Limits { record_bytes: 4_194_304, object_bytes: 4_294_967_296 });
        assert!(settings.detector.event_sources.selects("lambda.amazonaws.com"));
        assert!(!settings.detector.event_sources.selects("s3.amazonaws.com"));
        assert!(
            !settings.silence_check
                && !settings.fast_path
                && !settings.esm_changes
                && !settings.detector.authentication_failures
                && !settings.detector.causes
        );
        assert_eq!(settings.rules, RulesSetting::Inline(Rules::default()));
    }

    #[test]
    fn every_setting_is_read() {
        let settings = read(&[
            (ENV_TRAIL_BUCKETS, "trail-a, trail.b"),
            (ENV_TRAIL_BUCKET_OWNER, "111122223333"),
            (ENV_TRAIL_BUCKET_REGION, "us-gov-west-1"),
            (ENV_EVENT_SOURCES, "s3.amazonaws.com,sqs.amazonaws.com"),
            (ENV_FAST_PATH, "on"),
            (ENV_ESM_CHANGES, "on"),
            (ENV_AUTHENTICATION_FAILURES, "on"),
            (ENV_CONTEXT, "on"),
            (ENV_OWNER_TAG_KEYS, "squad"),
            (ENV_ACCOUNT_ID, "111122223333"),
            (ENV_SWEEP_ACCOUNTS, "111122223333, 444455556666"),
            (ENV_SWEEP_REGIONS, "*"),
            (ENV_MEMBER_ROLE_NAME, "audit/trailwarden-reader"),
            (ENV_CAUSES, "on"),
            (ENV_RULES_URI, "s3://bucket/a/b.json"),
            (ENV_LEDGER_TABLE, "arn:aws:dynamodb:us-east-1:111122223333:table/ledger.a"),
            (ENV_OBJECT_CONCURRENCY, "64"),
            (ENV_MAX_RECORD_BYTES, "1024"),
            (ENV_MAX_OBJECT_BYTES, "1048576"),
        ])
        .expect("settings");
        assert_eq!(settings.trail_buckets, ["trail-a", "trail.b"]);
        assert_eq!(settings.trail_bucket_owner.as_deref(), Some("111122223333"));
        assert_eq!(settings.trail_bucket_region.as_deref(), Some("us-gov-west-1"));
        assert_eq!(settings.context, "squad".parse().ok());
        assert_eq!(settings.account_id.as_deref(), Some("111122223333"));
        assert_eq!(settings.sweep.regions, SweepRegions::OfTrail);
        let accounts = ["111122223333", "444455556666"].map(str::to_owned).to_vec();
        assert_eq!(settings.sweep.accounts, SweepAccounts::Listed(accounts));
        assert_eq!(settings.member_role_name.as_deref(), Some("audit/trailwarden-reader"));
        assert_eq!(settings.ledger_table, "arn:aws:dynamodb:us-east-1:111122223333:table/ledger.a");
        assert_eq!(settings.object_concurrency, 64);
        assert!(settings.fast_path && settings.esm_changes && settings.detector.authentication_failures);
        assert!(settings.detector.causes);
        assert_eq!(settings.rules, RulesSetting::Object(S3Object::new("bucket", "a/b.json")));
        assert!(settings.detector.event_sources.selects("sqs.amazonaws.com"));
        assert!(settings.detector.event_sources.selects("lambda.amazonaws.com"), "always");
        assert!(!settings.detector.event_sources.selects("iam.amazonaws.com"));
        assert_eq!(settings.limits, Limits { record_bytes: 1_024, object_bytes: 1_048_576 });
        assert!(
            read(&[(ENV_EVENT_SOURCES, "*")]).expect("settings").detector.event_sources.selects("any.amazonaws.com")
        );
    }

    #[test]
    fn buffers_must_fit_the_memory_of_the_function() {
        let read = |memory, record_bytes, objects| {
            let variables = [
                (ENV_FUNCTION_MEMORY, memory),
                (ENV_MAX_RECORD_BYTES, record_bytes),
                (ENV_OBJECT_CONCURRENCY, objects),
            ];
            read(&variables)
        };
        for (memory, record_bytes, objects) in [
            // The defaults fit the smallest function.
            ("128", "", ""),
            ("512", "67108864", "1"),
            ("8232", "67108864", "64"),
            // Outside Lambda, the memory is unknown.
            ("", "67108864", "64"),
        ] {
            let settings = read(memory, record_bytes, objects);
            assert!(settings.is_ok(), "{memory} {record_bytes} {objects}: {settings:?}");
        }
        assert!(read("8231", "67108864", "64").is_err());
        let error = read("512", "67108864", "64").expect_err("a problem");
        insta::assert_snapshot!(error, @"invalid settings; MAX_RECORD_BYTES: with OBJECT_CONCURRENCY=64, records of 67108864 bytes need up to 8232 MB of memory, but the function has 512 MB");
    }

    #[test]
    fn the_ledger_table_is_required() {
        let without: Vec<_> = REQUIRED.into_iter().filter(|(name, _)| *name != ENV_LEDGER_TABLE).collect();
        let lookup = |name: &str| without.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        let error = Settings::from_lookup(lookup).expect_err("a problem");
        assert_eq!(error.problems, [(ENV_LEDGER_TABLE, "required but not set".to_owned())]);
    }

    #[test]
    fn context_and_member_accounts_need_the_own_account() {
        for (name, value, problem) in [
            (ENV_CONTEXT, "on", "required with CONTEXT=on"),
            (ENV_MEMBER_ROLE_NAME, "r", "required with MEMBER_ROLE_NAME"),
        ] {
            let error = read(&[(name, value)]).expect_err("a problem");
            assert_eq!(error.problems, [(ENV_ACCOUNT_ID, problem.to_owned())]);
            assert!(read(&[(name, value), (ENV_ACCOUNT_ID, "111122223333")]).is_ok());
        }
        let settings = read(&[(ENV_CONTEXT, "on"), (ENV_ACCOUNT_ID, "111122223333")]).expect("settings");
        assert_eq!(settings.context, Some(OwnerTagKeys::default()));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let error = read(&[
            (ENV_ALERT_TOPIC_ARN, "arn:aws:sqs:us-east-1:111122223333:alerts"),
            (ENV_TRAIL_BUCKETS, "trail-a,,s3://b"),
            (ENV_TRAIL_BUCKET_OWNER, "1111"),
            (ENV_TRAIL_BUCKET_REGION, "Ireland"),
            (ENV_EVENT_SOURCES, "lambda"),
            (ENV_FAST_PATH, "true"),
            (ENV_SILENCE_CHECK, "1"),
            (ENV_ESM_CHANGES, "yes"),
            (ENV_AUTHENTICATION_FAILURES, "ON"),
            (ENV_CONTEXT, "yes"),
            (ENV_OWNER_TAG_KEYS, "owner,owner"),
            (ENV_ACCOUNT_ID, "1"),
            (ENV_MEMBER_ROLE_NAME, "arn:aws:iam::111122223333:role/reader"),
            (ENV_SWEEP_ACCOUNTS, "111122223333,*"),
            (ENV_SWEEP_REGIONS, "Ireland"),
            (ENV_CAUSES, "1"),
            (ENV_RULES, r#"{"watch":[{"name":"w"}]}"#),
            (ENV_RULES_URI, "https://bucket/key"),
            (ENV_LEDGER_TABLE, "a table"),
            (ENV_OBJECT_CONCURRENCY, "65"),
            (ENV_MAX_RECORD_BYTES, "4 MiB"),
            (ENV_MAX_OBJECT_BYTES, "-1"),
        ])
        .expect_err("problems");
        insta::assert_snapshot!(error.to_string().replace("; ", "\n"), @r#"
        invalid settings
        ALERT_TOPIC_ARN: expected the ARN of an SNS topic, found "arn:aws:sqs:us-east-1:111122223333:alerts"
        TRAIL_BUCKETS: expected bucket names, found ""
        TRAIL_BUCKET_OWNER: expected an account ID of 12 digits, found "1111"
        TRAIL_BUCKET_REGION: expected a Region such as us-east-1, found "Ireland"
        EVENT_SOURCES: expected event sources such as lambda.amazonaws.com, or only *, found "lambda"
        AUTHENTICATION_FAILURES: expected on or off, found "ON"
        CAUSES: expected on or off, found "1"
        FAST_PATH: expected on or off, found "true"
        ESM_CHANGES: expected on or off, found "yes"
        SILENCE_CHECK: expected on or off, found "1"
        CONTEXT: expected on or off, found "yes"
        OWNER_TAG_KEYS: expected distinct tag keys, found "owner"
        ACCOUNT_ID: expected an account ID of 12 digits, found "1"
        MEMBER_ROLE_NAME: expected the name of a role, found "arn:aws:iam::111122223333:role/reader"
        SWEEP_ACCOUNTS: expected an account ID of 12 digits, found "*"
        SWEEP_REGIONS: expected a Region such as us-east-1, found "Ireland"
        RULES: invalid rules
        watch[0].title: expected a string
        watch[0].severity: expected a string
        watch[0].pattern: required but missing
        RULES_URI: expected s3://bucket/key, found "https://bucket/key"
        LEDGER_TABLE: expected the name or ARN of a DynamoDB table, found "a table"
        OBJECT_CONCURRENCY: expected a number from 1 to 64, found "65"
        MAX_RECORD_BYTES: expected a number from 1024 to 67108864, found "4 MiB"
        MAX_OBJECT_BYTES: expected a number from 1048576 to 18446744073709551615, found "-1"
        "#);
        let missing = Settings::from_lookup(|_| None).expect_err("problems");
        insta::assert_snapshot!(missing, @"invalid settings; ALERT_TOPIC_ARN: required but not set; TRAIL_BUCKETS: required but not set; LEDGER_TABLE: required but not set");
    }
}
