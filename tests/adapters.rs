//! The ports over the AWS SDK, against servers on loopback.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "lambda")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use support::server::{Fault, Server};
use trailwarden::alert::{Attribute, Message};
use trailwarden::aws::{AlertTopic, Deadline, TrailBuckets, http_client};
use trailwarden::ports::{AlertSink, ObjectBody, ObjectSource, ServiceError};
use trailwarden::trail::LogObject;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const ACCOUNT: &str = "111122223333";
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

fn configuration(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .http_client(http_client())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "tests")))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
        .endpoint_url(endpoint)
        .build()
}

async fn read(source: &TrailBuckets, object: &LogObject) -> Result<Vec<u8>, ServiceError> {
    let mut body = source.open(object).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next_chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn error_document(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message><Key>private</Key></Error>");
    ResponseTemplate::new(status).set_body_raw(body, "application/xml")
}

#[tokio::test]
async fn an_object_is_read_under_its_key_and_version() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/trail/AWSLogs/a%20b%2Bc%25/%C3%A9.json.gz"))
        .and(query_param("versionId", "v1"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![7; 300_000]))
        .mount(&server)
        .await;
    let source = TrailBuckets::new(&configuration(&server.uri()), Deadline::default());
    let mut object = LogObject::new("trail", "AWSLogs/a b+c%/é.json.gz");
    object.version = Some("v1".to_owned());
    assert_eq!(read(&source, &object).await.expect("the object"), vec![7; 300_000]);
}

#[tokio::test]
async fn errors_of_s3_carry_their_code() {
    for (status, code, requests) in
        [(404, "NoSuchKey", 1), (403, "AccessDenied", 1), (503, "SlowDown", 3), (500, "InternalError", 3)]
    {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(error_document(status, code, "why"))
            .expect(requests)
            .mount(&server)
            .await;
        let source = TrailBuckets::new(&configuration(&server.uri()), Deadline::default());
        let error = read(&source, &LogObject::new("trail", "k")).await.expect_err("an error");
        assert_eq!(error.to_string(), format!("s3:GetObject: {code}: why"));
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_an_error() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let configuration = configuration(&format!("http://{closed}"));
    let error = read(&TrailBuckets::new(&configuration, Deadline::default()), &LogObject::new("trail", "k"))
        .await
        .expect_err("an error");
    assert!(error.to_string().starts_with("s3:GetObject: request failed: dispatch failure: "), "{error}");
    let results =
        AlertTopic::new(&configuration, TOPIC.to_owned(), Deadline::default()).publish(&[message(0), message(1)]).await;
    assert_eq!(results.len(), 2);
    for error in results.into_iter().map(|it| it.expect_err("an error")) {
        assert!(error.to_string().starts_with("sns:PublishBatch: request failed"), "{error}");
        assert!(!error.retryable, "the SDK has retried");
    }
}

/// A server that promises more bytes than it sends.
#[tokio::test]
async fn a_body_that_is_cut_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).expect("a request");
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&[b' '; 600]).expect("sent");
    });
    let source = TrailBuckets::new(&configuration(&format!("http://{address}")), Deadline::default());
    let mut body = source.open(&LogObject::new("trail", "k")).await.expect("a body");
    assert_eq!(body.next_chunk().await.expect("a chunk").map(|it| it.len()), Some(600));
    let error = body.next_chunk().await.expect_err("an error");
    assert!(error.to_string().starts_with("s3:GetObject: transfer interrupted: "), "{error}");
}

#[tokio::test]
async fn an_interrupted_transfer_is_resumed() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    server.put("/trail/k", bytes.clone());
    let mut faults = [Fault::Close].into_iter();
    server.plan(move |_| faults.next());
    let source = TrailBuckets::new(&configuration(&server.url), Deadline::default());
    assert!(read(&source, &LogObject::new("trail", "k")).await.expect("the object") == bytes);
    assert_eq!(server.injected(), [Fault::Close]);
}

#[tokio::test]
async fn an_object_that_was_replaced_during_its_transfer_is_a_transient_error() {
    let server = Server::start();
    server.put("/trail/k", vec![7; 300_000]);
    let mut faults = [Fault::Replace].into_iter();
    server.plan(move |_| faults.next());
    let source = TrailBuckets::new(&configuration(&server.url), Deadline::default());
    let error = read(&source, &LogObject::new("trail", "k")).await.expect_err("an error");
    assert_eq!(error.to_string(), "s3:GetObject: PreconditionFailed: injected");
    assert!(error.fault.is_transient());
    assert_eq!(read(&source, &LogObject::new("trail", "k")).await.expect("the object"), vec![7; 300_000]);
}

fn message(n: usize) -> Message {
    Message {
        group_id: ACCOUNT.to_owned(),
        deduplication_id: format!("d{n}"),
        subject: format!("subject {n}"),
        body: format!("body {n}"),
        attributes: vec![
            Attribute { name: "severity", values: vec!["high".to_owned()] },
            Attribute { name: "region", values: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()] },
        ],
    }
}

fn batch_answer(members: &str) -> ResponseTemplate {
    let body = format!(
        "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>{members}\
         </PublishBatchResult></PublishBatchResponse>"
    );
    ResponseTemplate::new(200).set_body_raw(body, "text/xml")
}

#[tokio::test]
async fn every_entry_of_a_batch_has_its_own_result() {
    let server = MockServer::start().await;
    let answer = batch_answer(
        "<Successful><member><Id>2</Id><MessageId>m</MessageId></member></Successful><Failed>\
         <member><Id>0</Id><Code>InternalError</Code><Message>try again</Message><SenderFault>false</SenderFault></member>\
         <member><Id>1</Id><Code>InvalidParameter</Code><SenderFault>true</SenderFault></member></Failed>",
    );
    Mock::given(method("POST")).respond_with(answer).expect(1).mount(&server).await;
    let topic = AlertTopic::new(&configuration(&server.uri()), TOPIC.to_owned(), Deadline::default());
    let messages: Vec<_> = (0..4).map(message).collect();
    let results = topic.publish(&messages).await;
    let shown: Vec<_> = results
        .iter()
        .map(|it| {
            it.as_ref().map_or_else(|error| format!("{error} (retryable: {})", error.retryable), |()| "ok".to_owned())
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    sns:PublishBatch: InternalError: try again (retryable: true)
    sns:PublishBatch: InvalidParameter (retryable: false)
    ok
    sns:PublishBatch: no result for the entry (retryable: false)
    ");
}

#[tokio::test]
async fn a_batch_carries_subjects_bodies_and_attributes() {
    let server = MockServer::start().await;
    let answer = batch_answer("<Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful><Failed/>");
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let topic = AlertTopic::new(&configuration(&server.uri()), TOPIC.to_owned(), Deadline::default());
    assert!(topic.publish(&[message(0)]).await.iter().all(Result::is_ok));
    let requests: Vec<Request> = server.received_requests().await.expect("requests");
    let form = String::from_utf8(requests[0].body.clone()).expect("a form");
    let mut lines: Vec<_> =
        form.split('&').map(|it| percent_encoding::percent_decode_str(it).decode_utf8_lossy()).collect();
    // The SDK numbers attributes in no particular order.
    for line in &mut lines {
        *line = line.replace("entry.1.", "entry.N.").replace("entry.2.", "entry.N.").into();
    }
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Action=PublishBatch
    PublishBatchRequestEntries.member.1.Id=0
    PublishBatchRequestEntries.member.1.Message=body 0
    PublishBatchRequestEntries.member.1.MessageAttributes.entry.N.Name=region
    PublishBatchRequestEntries.member.1.MessageAttributes.entry.N.Name=severity
    PublishBatchRequestEntries.member.1.MessageAttributes.entry.N.Value.DataType=String
    PublishBatchRequestEntries.member.1.MessageAttributes.entry.N.Value.DataType=String.Array
    PublishBatchRequestEntries.member.1.MessageAttributes.entry.N.Value.StringValue=["eu-west-1","us-east-1"]
    PublishBatchRequestEntries.member.1.MessageAttributes.entry.N.Value.StringValue=high
    PublishBatchRequestEntries.member.1.Subject=subject 0
    TopicArn=arn:aws:sns:eu-west-1:111122223333:alerts
    Version=2010-03-31
    "#);
    let authorization = requests[0].headers.get("authorization").and_then(|it| it.to_str().ok()).expect("a signature");
    assert!(authorization.contains("/eu-west-1/sns/"), "signed for the topic's own Region: {authorization}");
}
