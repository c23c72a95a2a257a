//! Custom notifications, for chat.

use insta::assert_snapshot;
use trailwarden::alert::Format;

use super::bodies;

#[test]
fn messages_for_chat_are_custom_notifications() {
    assert_snapshot!(bodies(Format::Chat), @r#"
    {
      "content": {
        "description": "Lambda stopped reading the SQS queue orders-queue for function orders.\nAWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).\nUntil the mapping is enabled again, messages accumulate in the queue and eventually expire.\nFUNCTION_NOT_FOUND: the function does not exist.\nAWS says: \"Lambda Function not found\"",
        "keywords": [
          "esm_disabled",
          "critical",
          "FUNCTION_NOT_FOUND"
        ],
        "nextSteps": [
          "Check the state of the mapping: `aws lambda get-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001`",
          "Redeploy the function under the same name, with the alias or version that the mapping uses, or delete the mapping if it is no longer needed. To list the existing aliases: `aws lambda list-aliases --region us-east-1 --function-name orders`",
          "Enable the mapping. Lambda does not re-enable it automatically, even after the cause is fixed: `aws lambda update-event-source-mapping --region us-east-1 --uuid d46904b0-0f95-48b0-8001-000000000001 --enabled`"
        ],
        "textType": "client-markdown",
        "title": "Stopped: orders-queue -› orders FUNCTION_NOT_FOUND 111122223333 us-east-1"
      },
      "id": "7a563025ebe6247124a3c1c2843cc7ca-1",
      "metadata": {
        "additionalContext": {
          "Account": "111122223333",
          "Event": "LambdaESMDisabled bd4607c8-6933-48e9-8001-000000000001",
          "Event source": "arn:aws:sqs:us-east-1:111122223333:orders-queue",
          "Function": "arn:aws:lambda:us-east-1:111122223333:function:orders",
          "Log object": "s3://trail/key",
          "Mapping": "d46904b0-0f95-48b0-8001-000000000001",
          "Region": "us-east-1",
          "Severity": "critical"
        },
        "eventType": "esm_disabled",
        "summary": "Stopped: orders-queue -› orders FUNCTION_NOT_FOUND 111122223333 us-east-1",
        "threadId": "7a563025ebe6247124a3c1c2843cc7ca"
      },
      "source": "custom",
      "version": "1.0"
    }
    {
      "content": {
        "description": "A function was deleted: role deployer called DeleteFunction on function orders.\nOnce, at 2026-01-02 03:00:08 UTC in us-east-1 (account 111122223333).\nThe next alert will be sent at the 10th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.\nThe watch rule \"deleted\" matches this event.",
        "keywords": [
          "watch",
          "high",
          "deleted"
        ],
        "nextSteps": [
          "If this call was unexpected, find out who made it: `aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=22db0e4c-75c8-4e4c-8008-000000000008`"
        ],
        "textType": "client-markdown",
        "title": "Watched: A function was deleted DeleteFunction 111122223333 us-east-1"
      },
      "id": "1cc7b581676479a8dda63037b04c2f87-1",
      "metadata": {
        "additionalContext": {
          "Caller": "arn:aws:iam::111122223333:role/deployer",
          "Event": "DeleteFunction20150331 22db0e4c-75c8-4e4c-8008-000000000008",
          "Log object": "s3://trail/key",
          "Session name": "run-8 (chosen by the caller)",
          "Severity": "high",
          "Source IP": "203.0.113.8",
          "User agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace} (chosen by the caller)"
        },
        "eventType": "watch",
        "summary": "Watched: A function was deleted DeleteFunction 111122223333 us-east-1",
        "threadId": "1cc7b581676479a8dda63037b04c2f87"
      },
      "source": "custom",
      "version": "1.0"
    }
    {
      "content": {
        "description": "Role deployer was denied lambda:GetFunction on function orders.\n12 times since 2026-01-02 00:00:00 UTC, most recently 3 times from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC in us-east-1 (account 111122223333).\nThe next alert will be sent at the 100th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.\nNo identity-based policy allows the action (AccessDenied).\nAWS says: \"User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders because no identity-based policy allows the lambda:GetFunction action\"",
        "keywords": [
          "access_denied",
          "medium",
          "policy"
        ],
        "nextSteps": [
          "If this call should work, allow it in an identity-based policy of arn:aws:iam::111122223333:role/deployer.",
          "If this call was unexpected, find out who made it: `aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=5ea303e4-3498-4c74-8000-000000000000`"
        ],
        "textType": "client-markdown",
        "title": "Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1"
      },
      "id": "b60365cfeed19781316064366a49c104-12",
      "metadata": {
        "additionalContext": {
          "Caller": "arn:aws:iam::111122223333:role/deployer",
          "Error code": "AccessDenied",
          "Event": "GetFunction20150331 5ea303e4-3498-4c74-8000-000000000000",
          "Functions": "orders",
          "Log object": "s3://trail/key",
          "Resources": "arn:aws:lambda:us-east-1:111122223333:function:orders",
          "Session name": "run-0 (chosen by the caller)",
          "Severity": "medium",
          "Source IP": "203.0.113.0",
          "User agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace} (chosen by the caller)"
        },
        "eventType": "access_denied",
        "summary": "Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1",
        "threadId": "b60365cfeed19781316064366a49c104"
      },
      "source": "custom",
      "version": "1.0"
    }
    {
      "content": {
        "description": "Role deployer disabled an event source mapping: Lambda stopped reading the Kinesis stream clicks for function orders.\nMapping 863d0ee4-2f3c-4994-8005-000000000005 was changed at 2026-01-02 03:00:07 UTC in us-east-1 (account 111122223333).\nUntil the mapping is enabled again, records remain unprocessed in the stream and eventually expire.\nThis change was made by a user, not by AWS.",
        "keywords": [
          "esm_changed",
          "medium",
          "disabled"
        ],
        "nextSteps": [
          "If this was not intended, enable the mapping again: `aws lambda update-event-source-mapping --region us-east-1 --uuid 863d0ee4-2f3c-4994-8005-000000000005 --enabled`",
          "If this call was unexpected, find out who made it: `aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventId,AttributeValue=364609d7-0de2-4185-8007-000000000007`"
        ],
        "textType": "client-markdown",
        "title": "Disabled by user: clicks -› orders 111122223333 us-east-1"
      },
      "id": "b9de87e86966d2edb9b07c3ae50568a6-1",
      "metadata": {
        "additionalContext": {
          "Account": "111122223333",
          "Caller": "arn:aws:iam::111122223333:role/deployer",
          "Event": "UpdateEventSourceMapping20150331 364609d7-0de2-4185-8007-000000000007",
          "Event source": "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
          "Function": "arn:aws:lambda:us-east-1:111122223333:function:orders",
          "Log object": "s3://trail/key",
          "Mapping": "863d0ee4-2f3c-4994-8005-000000000005",
          "Region": "us-east-1",
          "Session name": "run-7 (chosen by the caller)",
          "Severity": "medium",
          "Source IP": "203.0.113.7",
          "User agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace} (chosen by the caller)"
        },
        "eventType": "esm_changed",
        "summary": "Disabled by user: clicks -› orders 111122223333 us-east-1",
        "threadId": "b9de87e86966d2edb9b07c3ae50568a6"
      },
      "source": "custom",
      "version": "1.0"
    }
    "#);
}
