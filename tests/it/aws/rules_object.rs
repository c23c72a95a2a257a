//! The rules object in S3.

use trailwarden::rules::{Fetched, MAX_RULES_BYTES, RulesObject};
use trailwarden::s3_object::S3Object;
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::responses::s3_error;

fn object() -> S3Object {
    S3Object::new("bucket", "rules.json")
}

#[tokio::test]
async fn rules_are_fetched_only_if_they_changed_and_up_to_the_size_limit() {
    let server = MockServer::start().await;
    let not_modified = ResponseTemplate::new(304);
    Mock::given(method("GET")).and(header("if-none-match", "\"1\"")).respond_with(not_modified).mount(&server).await;
    let large = vec![b' '; 2 * MAX_RULES_BYTES];
    let changed = ResponseTemplate::new(200).set_body_bytes(large).insert_header("etag", "\"2\"");
    Mock::given(method("GET")).respond_with(changed).mount(&server).await;
    let rules = Sdk::new(&server.uri()).await.rules_object(object());
    assert_eq!(rules.location(), "s3://bucket/rules.json");
    assert_eq!(rules.fetch(Some("\"1\"")).await.expect("a result"), Fetched::Unchanged);
    let Fetched::Changed { tag, bytes } = rules.fetch(None).await.expect("a result") else { panic!("changed") };
    assert_eq!(tag.as_deref(), Some("\"2\""));
    let read = bytes.len();
    assert!(read > MAX_RULES_BYTES && read < 2 * MAX_RULES_BYTES, "reading ends above the limit: {read}");
}

#[tokio::test]
async fn missing_rules_are_an_error_with_the_s3_error_code() {
    let server = MockServer::start().await;
    let missing = s3_error(404, "NoSuchKey", "why");
    Mock::given(method("GET")).respond_with(missing).mount(&server).await;
    let rules = Sdk::new(&server.uri()).await.rules_object(object());
    assert_eq!(rules.fetch(None).await.expect_err("an error").code, "NoSuchKey");
}
