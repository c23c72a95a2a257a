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
      Lambda no longer reads the SQS queue orders-queue for the function orders.
      AWS disabled the event source mapping at 2026-01-02 03:00:01 UTC in us-east-1, account 111122223333.
      Messages pile up in the queue, and expire, until the mapping is enabled again.
    Watched: A function was deleted DeleteFunction 111122223333 us-east-1
      A function was deleted: role deployer called DeleteFunction on the function orders.
      Once, at 2026-01-02 03:00:08 UTC, in us-east-1, account 111122223333.
      The next alert about it comes at 10 times, or after 2026-01-03 00:00:00 UTC.
    Denied: role deployer lambda:GetFunction x12 111122223333 us-east-1
      Denied: role deployer may not call lambda:GetFunction on the function orders.
      12 times since 2026-01-02 00:00:00 UTC; the latest 3 from 2026-01-02 03:00:00 UTC to 2026-01-02 03:00:02 UTC, in us-east-1, account 111122223333.
      The next alert about it comes at 100 times, or after 2026-01-03 00:00:00 UTC.
    Disabled: clicks -> orders by a user 111122223333 us-east-1
      Disabled by role deployer: Lambda no longer reads the Kinesis stream clicks for the function orders.
      Mapping 863d0ee4-2f3c-4994-8005-000000000005. Once, at 2026-01-02 03:00:07 UTC, in us-east-1, account 111122223333.
      Records wait in the stream, and expire, until the mapping is enabled again.
    ");
}
