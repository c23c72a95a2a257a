//! JSON, for machines.

use insta::assert_snapshot;
use trailwarden::alert::Format;

use super::bodies;

#[test]
fn messages_for_machines_are_flat_json() {
    assert_snapshot!(bodies(Format::Json), @r#"
    {
      "account": "111122223333",
      "actor": "service lambda.amazonaws.com",
      "alert_id": "7a563025ebe6247124a3c1c2843cc7ca",
      "alert_type": "esm_disabled",
      "api_action": "LambdaESMDisabled",
      "category": "FUNCTION_NOT_FOUND",
      "count": 1,
      "description": "Lambda stopped reading the SQS queue orders-queue for function orders.",
      "event_id": "bd4607c8-6933-48e9-8001-000000000001",
      "event_name": "LambdaESMDisabled",
      "event_source": "lambda.amazonaws.com",
      "event_source_arn": "arn:aws:sqs:us-east-1:111122223333:orders-queue",
      "event_time": "2026-01-02T03:00:01Z",
      "first_event_time": "2026-01-02T03:00:01Z",
      "function_arn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:01Z",
      "mapping_uuid": "d46904b0-0f95-48b0-8001-000000000001",
      "new_events": 1,
      "object": "s3://trail/key",
      "principal": "lambda.amazonaws.com",
      "reason": "Lambda Function not found",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 0,
      "resources": [],
      "severity": "critical",
      "source_ip_address": "lambda.amazonaws.com",
      "status": "open",
      "summary": "Stopped: orders-queue -> orders FUNCTION_NOT_FOUND 111122223333 us-east-1",
      "test": false,
      "truncated_fields": [],
      "user_agent": "lambda.amazonaws.com",
      "version": "1"
    }
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_id": "1cc7b581676479a8dda63037b04c2f87",
      "alert_type": "watch",
      "api_action": "DeleteFunction",
      "category": "deleted",
      "count": 1,
      "description": "A function was deleted: role deployer called DeleteFunction on function orders.",
      "event_id": "22db0e4c-75c8-4e4c-8008-000000000008",
      "event_name": "DeleteFunction20150331",
      "event_source": "lambda.amazonaws.com",
      "event_time": "2026-01-02T03:00:08Z",
      "first_event_time": "2026-01-02T03:00:08Z",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:08Z",
      "new_events": 1,
      "object": "s3://trail/key",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 0,
      "resources": [],
      "session_name": "run-8",
      "severity": "high",
      "source_ip_address": "203.0.113.8",
      "summary": "Watched: A function was deleted DeleteFunction 111122223333 us-east-1",
      "test": false,
      "title": "A function was deleted",
      "truncated_fields": [],
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1",
      "window_end": "2026-01-03T00:00:00Z",
      "window_start": "2026-01-02T00:00:00Z"
    }
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_id": "b60365cfeed19781316064366a49c104",
      "alert_type": "access_denied",
      "api_action": "GetFunction",
      "category": "policy",
      "count": 12,
      "denied_action": "lambda:GetFunction",
      "denied_principal": "arn:aws:sts::111122223333:assumed-role/deployer/run-0",
      "denied_resource": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "description": "Role deployer was denied lambda:GetFunction on function orders.",
      "error_code": "AccessDenied",
      "error_message": "User: arn:aws:sts::111122223333:assumed-role/deployer/run-0 is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:111122223333:function:orders because no identity-based policy allows the lambda:GetFunction action",
      "error_message_encoded": false,
      "error_message_truncated": false,
      "event_id": "5ea303e4-3498-4c74-8000-000000000000",
      "event_name": "GetFunction20150331",
      "event_source": "lambda.amazonaws.com",
      "event_time": "2026-01-02T03:00:00Z",
      "first_event_time": "2026-01-02T03:00:00Z",
      "fix": {
        "attach_to": "arn:aws:iam::111122223333:role/deployer",
        "policy_type": "identity-based",
        "statement": {
          "Action": "lambda:GetFunction",
          "Effect": "Allow",
          "Resource": "arn:aws:lambda:us-east-1:111122223333:function:orders"
        }
      },
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:02Z",
      "new_events": 3,
      "object": "s3://trail/key",
      "policy_effect": "implicit",
      "policy_type": "identity-based",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 1,
      "resources": [
        "arn:aws:lambda:us-east-1:111122223333:function:orders"
      ],
      "session_name": "run-0",
      "severity": "medium",
      "source_ip_address": "203.0.113.0",
      "summary": "Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1",
      "test": false,
      "truncated_fields": [],
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1",
      "window_end": "2026-01-03T00:00:00Z",
      "window_start": "2026-01-02T00:00:00Z"
    }
    {
      "account": "111122223333",
      "actor": "role deployer",
      "alert_id": "b9de87e86966d2edb9b07c3ae50568a6",
      "alert_type": "esm_changed",
      "api_action": "UpdateEventSourceMapping",
      "category": "disabled",
      "count": 1,
      "description": "Role deployer disabled an event source mapping: Lambda stopped reading the Kinesis stream clicks for function orders.",
      "event_id": "364609d7-0de2-4185-8007-000000000007",
      "event_name": "UpdateEventSourceMapping20150331",
      "event_source": "lambda.amazonaws.com",
      "event_source_arn": "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
      "event_time": "2026-01-02T03:00:07Z",
      "first_event_time": "2026-01-02T03:00:07Z",
      "function_arn": "arn:aws:lambda:us-east-1:111122223333:function:orders",
      "function_count": 1,
      "function_name": "orders",
      "function_names": [
        "orders"
      ],
      "last_event_time": "2026-01-02T03:00:07Z",
      "mapping_uuid": "863d0ee4-2f3c-4994-8005-000000000005",
      "new_events": 1,
      "object": "s3://trail/key",
      "principal": "arn:aws:iam::111122223333:role/deployer",
      "region": "us-east-1",
      "region_count": 1,
      "regions": [
        "us-east-1"
      ],
      "resource_count": 0,
      "resources": [],
      "session_name": "run-7",
      "severity": "medium",
      "source_ip_address": "203.0.113.7",
      "summary": "Disabled by user: clicks -> orders 111122223333 us-east-1",
      "test": false,
      "truncated_fields": [],
      "user_agent": "aws-sdk-rust/1.3 \"quoted\" os/linux lang/rust {brace}",
      "version": "1"
    }
    "#);
}
