//! Amazon Resource Names, `arn:partition:service:region:account:resource`.

/// The parts of an ARN, borrowed from the string.
///
/// Parsing accepts only the characters that AWS uses in ARNs, because ARNs from a log appear in commands that readers
/// of an alert may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    /// The whole ARN.
    pub(crate) text: &'a str,
    /// Service, such as `lambda`.
    pub(crate) service: &'a str,
    /// Region; empty for global services.
    pub(crate) region: &'a str,
    /// Account ID; empty for some services, such as S3.
    pub(crate) account: &'a str,
    /// Resource: the rest after the account, which may contain colons and slashes.
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Parses an ARN; `None` if `text` is not one.
    #[must_use]
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (scheme, partition) = (parts.next()?, parts.next()?);
        let arn = Self {
            text,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let valid = scheme == "arn"
            && partition.starts_with("aws")
            && [partition, arn.service, arn.region, arn.account].into_iter().all(plain)
            && !arn.resource.is_empty()
            && arn.resource.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=,@*$#".contains(&b));
        valid.then_some(arn)
    }

    /// The function's name, without version or alias, if this is the ARN of a Lambda function.
    #[must_use]
    pub(crate) fn function_name(&self) -> Option<&'a str> {
        if self.service != "lambda" {
            return None;
        }
        let name = self.resource.strip_prefix("function:")?;
        Some(name.split(':').next().unwrap_or(name))
    }

    /// The mapping's UUID, if this is the ARN of an event source mapping.
    #[must_use]
    pub(crate) fn mapping_uuid(&self) -> Option<&'a str> {
        if self.service != "lambda" {
            return None;
        }
        self.resource.strip_prefix("event-source-mapping:")
    }

    /// The kind of event source, if this is the ARN of one.
    #[must_use]
    pub(crate) fn event_source(&self) -> Option<EventSourceKind> {
        match self.service {
            "sqs" => Some(EventSourceKind::Queue),
            "kinesis" if self.resource.starts_with("stream/") => Some(EventSourceKind::Stream),
            "dynamodb" if self.resource.starts_with("table/") => Some(EventSourceKind::Table),
            "kafka" if self.resource.starts_with("cluster/") => Some(EventSourceKind::Kafka),
            "mq" if self.resource.starts_with("broker:") => Some(EventSourceKind::Broker),
            "rds" if self.resource.starts_with("cluster:") => Some(EventSourceKind::Documents),
            _ => None,
        }
    }

    /// The short name of the resource, such as the name of a queue, stream, table or role.
    #[must_use]
    pub(crate) fn short_name(&self) -> &'a str {
        let name = self.function_name().or(self.mapping_uuid()).unwrap_or(self.resource);
        match self.service {
            // `stream/<name>…`, `table/<name>…`, `cluster/<name>/<id>`
            "kinesis" | "dynamodb" | "kafka" => name.split('/').nth(1).unwrap_or(name),
            // `broker:<name>:<id>`, `cluster:<name>`
            "mq" | "rds" => name.split(':').nth(1).unwrap_or(name),
            _ => name.rsplit('/').next().unwrap_or(name),
        }
    }
}

/// A kind of event source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventSourceKind {
    /// An Amazon SQS queue.
    Queue,
    /// An Amazon Kinesis stream.
    Stream,
    /// The stream of an Amazon DynamoDB table.
    Table,
    /// An Amazon MSK cluster.
    Kafka,
    /// An Amazon MQ broker.
    Broker,
    /// The change stream of an Amazon DocumentDB cluster.
    Documents,
}

impl EventSourceKind {
    /// Returns true if CloudTrail logs an event when AWS disables a mapping of this kind ("Logging AWS Lambda API calls
    /// using AWS CloudTrail", Lambda Developer Guide).
    pub(crate) fn is_logged(self) -> bool {
        matches!(self, Self::Queue | Self::Stream | Self::Table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_of_resources() {
        for (text, name) in [
            ("arn:aws:lambda:us-east-1:111122223333:function:orders:live", "orders"),
            ("arn:aws-cn:sqs:cn-north-1:111122223333:orders.fifo", "orders.fifo"),
            ("arn:aws:kinesis:us-east-1:111122223333:stream/clicks/consumer/c:1", "clicks"),
            ("arn:aws-us-gov:dynamodb:us-gov-west-1:111122223333:table/T/stream/2026-01-01T00:00:00.000", "T"),
            ("arn:aws:iam::111122223333:role/service-role/app", "app"),
            ("arn:aws:kafka:us-east-1:111122223333:cluster/clicks/1-2", "clicks"),
            ("arn:aws:mq:us-east-1:111122223333:broker:orders:b-1", "orders"),
            ("arn:aws:rds:us-east-1:111122223333:cluster:documents", "documents"),
            ("arn:aws:lambda:us-east-1:111122223333:event-source-mapping:1-2", "1-2"),
        ] {
            assert_eq!(Arn::parse(text).map(|arn| arn.short_name()), Some(name), "{text}");
        }
    }

    #[test]
    fn the_service_and_the_resource_type_give_the_kind_of_event_source() {
        for (rest, kind) in [
            ("sqs:us-east-1:111122223333:orders", Some(EventSourceKind::Queue)),
            ("kinesis:us-east-1:111122223333:stream/clicks", Some(EventSourceKind::Stream)),
            ("kinesis:us-east-1:111122223333:application/clicks", None),
            ("dynamodb:us-east-1:111122223333:table/T/stream/1", Some(EventSourceKind::Table)),
            ("dynamodb::111122223333:global-table/T", None),
            ("kafka:us-east-1:111122223333:cluster/clicks/1-2", Some(EventSourceKind::Kafka)),
            ("kafka:us-east-1:111122223333:topic/clicks/1-2/t", None),
            ("mq:us-east-1:111122223333:broker:orders:b-1", Some(EventSourceKind::Broker)),
            ("mq:us-east-1:111122223333:configuration:c-1", None),
            ("rds:us-east-1:111122223333:cluster:documents", Some(EventSourceKind::Documents)),
            ("rds:us-east-1:111122223333:db:orders", None),
            ("lambda:us-east-1:111122223333:function:orders", None),
        ] {
            assert_eq!(Arn::parse(&format!("arn:aws:{rest}")).expect("an ARN").event_source(), kind, "{rest}");
        }
    }

    #[test]
    fn text_that_a_shell_could_interpret_is_not_an_arn() {
        for text in [
            "arn:aws:lambda:us-east-1:111122223333:function:x;reboot",
            "arn:aws:lambda:us-east-1:111122223333:function:$(id)",
            "arn:aws:sqs:us-east-1:111122223333:a b",
            "arn:aws:sqs:us-east-1:111122223333:a\nb",
            "arn:aws:sqs:us east:111122223333:a",
            "arn:aws:sqs:us-east-1:111122223333:",
            "arn:aws:sqs",
            "urn:aws:sqs:us-east-1:111122223333:a",
            "",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
