//! Sizes of messages.

use serde_json::json;
use trailwarden::alert::Format;

use super::checks::assert_valid;
use super::hostile::{context_with, records_with};
use super::{denial, incidents_of, parsed, with_causes, with_context};

/// A crab emoji has four bytes in UTF-8. A quote has two bytes in JSON, and four in the JSON list of an attribute.
/// Isolates add six bytes to a character. A letter may be a word of a command.
const FILLERS: [&str; 8] = ["🦀", "\"", "\\", "\u{202e}", "\u{1e900}-", "x", "x.co/", ":x"];

#[test]
fn the_largest_alerts_are_within_the_limits() {
    for filler in FILLERS {
        let long = filler.repeat(100_000 / filler.len());
        let mut records = records_with(&[(); 6].map(|()| long.clone()));
        let denied = records.remove(3);
        for n in 0..30 {
            let mut another = denied.clone();
            another["eventID"] = json!(n.to_string());
            another["awsRegion"] = json!(format!("{n}{long}"));
            another["requestParameters"] = json!({"functionName": format!("{n}{long}")});
            records.push(another);
        }
        let context = context_with(&[(); 6].map(|()| long.clone()));
        let mut incidents = with_context(incidents_of(&records), &context);
        assert_valid(&incidents);
        assert_valid(&with_causes(&incidents, &[(); 6].map(|()| long.clone())));
        let json = parsed(denial(&mut incidents), Format::Json);
        let cut = json["truncated_fields"].as_array().expect("a list");
        assert!(["regions", "error_message"].iter().all(|field| cut.contains(&json!(field))), "{cut:?}");
    }
}
