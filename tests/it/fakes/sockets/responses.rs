//! Responses of S3, SNS and DynamoDB.

use serde_json::{Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// An error of S3.
pub(crate) fn s3_error(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message><Key>private</Key></Error>");
    ResponseTemplate::new(status).set_body_raw(body, "application/xml")
}

/// The response to `PublishBatch` with these results, as XML.
pub(crate) fn published(results: &str) -> ResponseTemplate {
    let body = format!(
        "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>{results}\
         </PublishBatchResult></PublishBatchResponse>"
    );
    ResponseTemplate::new(200).set_body_raw(body, "text/xml")
}

/// A response of DynamoDB.
pub(crate) fn dynamodb(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_string(), "application/x-amz-json-1.0")
}

/// An error of DynamoDB with additional fields.
pub(crate) fn dynamodb_error(code: &str, fields: &Value) -> ResponseTemplate {
    let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "injected"});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    ResponseTemplate::new(400).set_body_raw(body.to_string(), "application/x-amz-json-1.0")
}

/// Responds to this many calls of a DynamoDB operation, and expects exactly as many.
pub(crate) async fn expect_dynamodb(server: &MockServer, operation: &str, calls: u64, response: ResponseTemplate) {
    Mock::given(header("x-amz-target", format!("DynamoDB_20120810.{operation}").as_str()))
        .respond_with(response)
        .up_to_n_times(calls)
        .expect(calls)
        .mount(server)
        .await;
}

/// The bodies of all requests for an operation of DynamoDB.
pub(crate) async fn dynamodb_requests(server: &MockServer, operation: &str) -> Vec<Value> {
    let requests = server.received_requests().await.expect("recorded requests");
    let target = format!("DynamoDB_20120810.{operation}");
    let of_operation = requests.iter().filter(|it| it.headers["x-amz-target"] == target.as_str());
    of_operation.map(|it| serde_json::from_slice(&it.body).expect("JSON")).collect()
}
