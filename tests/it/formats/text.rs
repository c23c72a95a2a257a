//! Text, for people.

use insta::assert_snapshot;
use trailwarden::alert::{Alert, Format};
use trailwarden::triage::Incident;

use super::every_alert_type;

#[test]
fn the_first_lines_say_what_is_wrong_and_where() {
    let first = |incident: &Incident| {
        let message = Alert::of(incident).message(Format::Text);
        let lines: Vec<_> = message.body.lines().take(3).collect();
        format!("{}\n  {}", message.subject, lines.join("\n  "))
    };
    assert_snapshot!(every_alert_type().iter().map(first).collect::<Vec<_>>().join("\n"), @"
    Stopped: orders-queue -> orders FUNCTION_NOT_FOUND 111122223333 us-east-1
      Lambda stopped reading the SQS queue orders-queue for function orders.
      AWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1 (account 111122223333).
      Until the mapping is enabled again, messages accumulate in the queue and eventually expire.
    Watched: A function was deleted DeleteFunction 111122223333 us-east-1
      A function was deleted: role deployer called DeleteFunction on function orders.
      Once, at 2026-01-02 03:00:08 UTC in us-east-1 (account 111122223333).
      The next alert will be sent at the 10th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.
    Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1
      Role deployer was denied lambda:GetFunction on function orders.
      12 times since 2026-01-02 00:00:00 UTC, most recently 3 times from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC in us-east-1 (account 111122223333).
      The next alert will be sent at the 100th occurrence, or at the first occurrence after 2026-01-03 00:00:00 UTC.
    Disabled by user: clicks -> orders 111122223333 us-east-1
      Role deployer disabled an event source mapping: Lambda stopped reading the Kinesis stream clicks for function orders.
      Mapping 863d0ee4-2f3c-4994-8005-000000000005 was changed at 2026-01-02 03:00:07 UTC in us-east-1 (account 111122223333).
      Until the mapping is enabled again, records remain unprocessed in the stream and eventually expire.
    ");
}
