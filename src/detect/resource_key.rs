//! Keys of the resources that an event source mapping depends on.
//!
//! Records name resources in many ways: a function by its name or by a partial or full ARN, a queue by its URL, a
//! stream by its name or by the ARN of a consumer. All names of a resource are converted to the same key, so that a
//! stop finds the changes of the resource. Keys come from hostile text and are stored, so each part of a key is short
//! and consists of plain characters.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::arn::Arn;

/// Maximum length of a part of a key, in bytes. The longest part is a policy's path of 512 characters with its name of
/// 128.
const MAX_PART: usize = 640;

/// A kind of resource that a mapping depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A Lambda function.
    Function,
    /// An Amazon SQS queue.
    Queue,
    /// An Amazon Kinesis stream.
    Stream,
    /// An Amazon DynamoDB table.
    Table,
    /// An IAM role.
    Role,
    /// A customer managed IAM policy.
    Policy,
    /// An AWS KMS key.
    Key,
}

impl ResourceKind {
    const ALL: [Self; 7] =
        [Self::Function, Self::Queue, Self::Stream, Self::Table, Self::Role, Self::Policy, Self::Key];

    /// The name in keys and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Queue => "queue",
            Self::Stream => "stream",
            Self::Table => "table",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::Key => "key",
        }
    }

    fn is_global(self) -> bool {
        matches!(self, Self::Role | Self::Policy)
    }
}

/// Identifies a resource, independently of how a record names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResourceKey {
    kind: ResourceKind,
    account: String,
    /// Empty for IAM.
    region: String,
    name: String,
}

impl ResourceKey {
    /// Creates a key; `None` if a part is missing or too long, or contains characters that AWS does not allow. The
    /// account and the Region determine the partition, so the key omits it.
    pub(super) fn new(kind: ResourceKind, account: &str, region: &str, name: &str) -> Option<Self> {
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.len() <= MAX_PART
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+=,@/".contains(&b))
        };
        let region = if kind.is_global() { "" } else { region };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let valid = is_account && (kind.is_global() || is_plain(region)) && is_plain(name);
        let [account, region, name] = [account, region, name].map(str::to_owned);
        valid.then_some(Self { kind, account, region, name })
    }

    /// The key of the resource with this ARN; `None` if a mapping cannot depend on it. The ARN of a version, an alias, a
    /// consumer or the stream of a table gives the key of the function, the stream or the table.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn)?;
        let path = |prefix: &str| arn.resource.strip_prefix(prefix);
        let (kind, name) = match arn.service {
            "lambda" => (ResourceKind::Function, arn.function_name()?),
            "sqs" => (ResourceKind::Queue, arn.resource),
            "kinesis" => (ResourceKind::Stream, path("stream/")?.split('/').next()?),
            "dynamodb" => (ResourceKind::Table, path("table/")?.split('/').next()?),
            // The name of a role is unique in its account, regardless of the path.
            "iam" if arn.resource.starts_with("role/") => (ResourceKind::Role, arn.resource.rsplit('/').next()?),
            "iam" => (ResourceKind::Policy, path("policy/")?),
            "kms" => (ResourceKind::Key, path("key/")?),
            _ => return None,
        };
        Self::new(kind, arn.account, arn.region, name)
    }

    /// The key of the function with this name.
    pub(crate) fn of_function(account: &str, region: &str, name: &str) -> Option<Self> {
        Self::new(ResourceKind::Function, account, region, name)
    }

    /// The key of a resource that a request names by its ARN, by its name or, for a queue, by its URL. If the ARN or
    /// the URL contains no account and Region, those of the request apply.
    pub(super) fn of_request(kind: ResourceKind, text: &str, account: &str, region: &str) -> Option<Self> {
        if text.starts_with("arn:") {
            return Self::of_arn(text).filter(|key| key.kind == kind);
        }
        match kind {
            ResourceKind::Function => {
                // `name`, `name:qualifier` or `account:function:name`.
                let (account, name) = text.split_once(":function:").unwrap_or((account, text));
                Self::new(kind, account, region, name.split(':').next()?)
            }
            ResourceKind::Queue => {
                // `https://sqs.<region>.amazonaws.com/<account>/<name>`. Other hosts are possible, such as VPC endpoints.
                let (front, name) = text.rsplit_once('/')?;
                Self::new(kind, front.rsplit('/').next()?, region, name)
            }
            // The alias may have been assigned to another key since.
            ResourceKind::Key if text.starts_with("alias/") => None,
            _ => Self::new(kind, account, region, text),
        }
    }

    /// The kind of the resource.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// ID of the account that owns the resource.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Name of the resource; the ID of a key, or the path and the name of a policy.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ResourceKey {
    /// Writes `kind#account#region#name`. No part contains `#`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, account, region, name } = self;
        write!(f, "{}#{account}#{region}#{name}", kind.as_str())
    }
}

impl From<ResourceKey> for String {
    fn from(key: ResourceKey) -> Self {
        key.to_string()
    }
}

/// A string that is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the key of a resource")]
pub struct ResourceKeyError;

impl TryFrom<String> for ResourceKey {
    type Error = ResourceKeyError;

    fn try_from(text: String) -> Result<Self, ResourceKeyError> {
        let mut parts = text.splitn(4, '#');
        let mut part = || parts.next().ok_or(ResourceKeyError);
        let (kind, account, region, name) = (part()?, part()?, part()?, part()?);
        let kind = ResourceKind::ALL.into_iter().find(|it| it.as_str() == kind).ok_or(ResourceKeyError)?;
        Self::new(kind, account, region, name).ok_or(ResourceKeyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";

    #[test]
    fn all_names_of_a_resource_give_one_key() {
        let of_request = |kind, text| ResourceKey::of_request(kind, text, ACCOUNT, "us-east-1");
        for (kind, key, texts) in [
            (
                ResourceKind::Function,
                "function#111122223333#us-east-1#orders",
                &[
                    "orders",
                    "orders:live",
                    "111122223333:function:orders",
                    "arn:aws:lambda:us-east-1:111122223333:function:orders:7",
                ][..],
            ),
            (
                ResourceKind::Queue,
                "queue#111122223333#us-east-1#orders.fifo",
                &[
                    "https://sqs.us-east-1.amazonaws.com/111122223333/orders.fifo",
                    "https://queue.amazonaws.com/111122223333/orders.fifo",
                    "arn:aws:sqs:us-east-1:111122223333:orders.fifo",
                ],
            ),
            (
                ResourceKind::Stream,
                "stream#111122223333#us-east-1#clicks",
                &[
                    "clicks",
                    "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
                    "arn:aws:kinesis:us-east-1:111122223333:stream/clicks/consumer/app:1700000000",
                ],
            ),
            (
                ResourceKind::Table,
                "table#111122223333#us-east-1#carts",
                &[
                    "carts",
                    "arn:aws:dynamodb:us-east-1:111122223333:table/carts",
                    "arn:aws:dynamodb:us-east-1:111122223333:table/carts/stream/2026-01-01T00:00:00.000",
                ],
            ),
            (
                ResourceKind::Role,
                "role#111122223333##orders-role",
                &["orders-role", "arn:aws:iam::111122223333:role/service-role/orders-role"],
            ),
            (ResourceKind::Policy, "policy#111122223333##app/reads", &["arn:aws:iam::111122223333:policy/app/reads"]),
            (
                ResourceKind::Key,
                "key#111122223333#us-east-1#1234abcd-12ab-34cd-56ef-1234567890ab",
                &[
                    "1234abcd-12ab-34cd-56ef-1234567890ab",
                    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                ],
            ),
        ] {
            for text in texts {
                let found = of_request(kind, text).expect(text);
                assert_eq!(found.to_string(), key, "{text}");
                assert_eq!(ResourceKey::try_from(key.to_owned()), Ok(found));
            }
        }
        // In another partition, account or Region, the ARN decides.
        let other = ResourceKey::of_request(
            ResourceKind::Queue,
            "arn:aws-cn:sqs:cn-north-1:444455556666:orders",
            ACCOUNT,
            "us-east-1",
        );
        assert_eq!(other.map(|it| it.to_string()).as_deref(), Some("queue#444455556666#cn-north-1#orders"));
    }

    #[test]
    fn hostile_names_have_no_key() {
        let long = "a".repeat(MAX_PART + 1);
        for name in ["", "a b", "a#b", "a\nb", "é", "$(id)", "\u{202e}a", "<a>", &long] {
            for kind in ResourceKind::ALL {
                assert_eq!(ResourceKey::of_request(kind, name, ACCOUNT, "us-east-1"), None, "{kind:?} {name}");
                assert_eq!(ResourceKey::new(kind, ACCOUNT, "us-east-1", name), None, "{kind:?} {name}");
            }
            assert_eq!(ResourceKey::new(ResourceKind::Role, name, "", "role"), None, "{name}");
            assert_eq!(ResourceKey::new(ResourceKind::Queue, ACCOUNT, name, "queue"), None, "{name}");
        }
        for (kind, text) in [
            (ResourceKind::Key, "alias/orders"),
            (ResourceKind::Queue, "orders"),
            (ResourceKind::Queue, "https://sqs.us-east-1.amazonaws.com/orders"),
            (ResourceKind::Policy, "arn:aws:iam::aws:policy/ReadOnlyAccess"),
            (ResourceKind::Function, "arn:aws:sqs:us-east-1:111122223333:orders"),
        ] {
            assert_eq!(ResourceKey::of_request(kind, text, ACCOUNT, "us-east-1"), None, "{text}");
        }
        for text in ["", "role", "role#111122223333#", "bucket#111122223333#us-east-1#a", "queue#1#us-east-1#a"] {
            assert_eq!(ResourceKey::try_from(text.to_owned()), Err(ResourceKeyError), "{text}");
        }
    }
}
