//! Reading objects from S3.

use std::io::{Read, Write};
use std::net::TcpListener;

use trailwarden::aws::TrailBuckets;
use trailwarden::s3_object::S3Object;
use trailwarden::service::ServiceError;
use trailwarden::trail::{ObjectBody, ObjectSource};
use wiremock::matchers::{header, header_regex, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::responses::s3_error;
use crate::fakes::sockets::server::{Fault, Server};

async fn read(buckets: &TrailBuckets, object: &S3Object) -> Result<Vec<u8>, ServiceError> {
    let mut body = buckets.open(object).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next_chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn object() -> S3Object {
    S3Object::new("trail", "k")
}

#[tokio::test]
async fn an_object_is_read_by_its_key_and_version() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/trail/AWSLogs/a%20b%2Bc%25/%C3%A9.json.gz"))
        .and(query_param("versionId", "v1"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![7; 300_000]))
        .mount(&server)
        .await;
    let mut object = S3Object::new("trail", "AWSLogs/a b+c%/é.json.gz");
    object.version = Some("v1".to_owned());
    let bytes = read(&Sdk::new(&server.uri()).await.buckets(), &object).await;
    assert_eq!(bytes.expect("the object"), vec![7; 300_000]);
}

#[tokio::test]
async fn a_request_names_the_owner_of_the_bucket_and_is_signed_for_its_region() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(header("x-amz-expected-bucket-owner", "111122223333"))
        .and(header_regex("authorization", "/eu-west-3/s3/aws4_request"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![7]))
        .mount(&server)
        .await;
    let buckets = Sdk::new(&server.uri()).await.in_region("eu-west-3").buckets();
    let bytes = read(&buckets.owned_by(Some("111122223333".to_owned())), &object()).await;
    assert_eq!(bytes.expect("the object"), [7]);
}

#[tokio::test]
async fn errors_have_the_s3_error_code_and_transient_ones_are_retried() {
    for (status, code, requests) in
        [(404, "NoSuchKey", 1), (403, "AccessDenied", 1), (503, "SlowDown", 3), (500, "InternalError", 3)]
    {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(s3_error(status, code, "why")).expect(requests).mount(&server).await;
        let error = read(&Sdk::new(&server.uri()).await.buckets(), &object()).await.expect_err("an error");
        assert_eq!(error.to_string(), format!("s3:GetObject: {code}: why"));
    }
}

#[tokio::test]
async fn an_unreachable_service_is_an_error() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let buckets = Sdk::new(&format!("http://{closed}")).await.buckets();
    let error = read(&buckets, &object()).await.expect_err("an error");
    assert!(error.to_string().starts_with("s3:GetObject: request failed: dispatch failure: "), "{error}");
}

/// The server announces more bytes than it sends.
#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
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
    let buckets = Sdk::new(&format!("http://{address}")).await.buckets();
    let mut body = buckets.open(&object()).await.expect("a body");
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
    assert!(read(&Sdk::new(&server.url).await.buckets(), &object()).await.expect("the object") == bytes);
    assert_eq!(server.injected(), [Fault::Close]);
}

#[tokio::test]
async fn an_object_that_was_replaced_during_its_transfer_is_a_transient_error() {
    let server = Server::start();
    server.put("/trail/k", vec![7; 300_000]);
    let mut faults = [Fault::Replace].into_iter();
    server.plan(move |_| faults.next());
    let buckets = Sdk::new(&server.url).await.buckets();
    let error = read(&buckets, &object()).await.expect_err("an error");
    assert_eq!(error.to_string(), "s3:GetObject: PreconditionFailed: injected");
    assert!(error.fault.is_transient());
    assert_eq!(read(&buckets, &object()).await.expect("the object"), vec![7; 300_000]);
}
