//! Publishing to SNS.

use std::net::TcpListener;

use trailwarden::alert::{Attribute, Message};
use trailwarden::publish::Topic;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fakes::sockets::Sdk;
use crate::fakes::sockets::responses::published;

const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

fn message(n: usize) -> Message {
    Message {
        group_id: "111122223333".to_owned(),
        deduplication_id: format!("d{n}"),
        subject: format!("subject {n}"),
        body: format!("body {n}"),
        attributes: vec![
            Attribute { name: "severity", values: vec!["high".to_owned()] },
            Attribute { name: "region", values: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()] },
        ],
    }
}

async fn server(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(response).expect(1).mount(&server).await;
    server
}

#[tokio::test]
async fn an_unreachable_service_is_an_error_for_every_entry() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let topic = Sdk::new(&format!("http://{closed}")).await.topic(TOPIC);
    let results = topic.publish(&[message(0), message(1)]).await;
    assert_eq!(results.len(), 2);
    for error in results.into_iter().map(|it| it.expect_err("an error")) {
        assert!(error.to_string().starts_with("sns:PublishBatch: request failed"), "{error}");
        assert!(!error.retryable, "the SDK has retried");
    }
}

#[tokio::test]
async fn every_entry_of_a_batch_has_its_own_result() {
    let server = server(published(
        "<Successful><member><Id>2</Id><MessageId>m</MessageId></member></Successful><Failed>\
         <member><Id>0</Id><Code>InternalError</Code><Message>try again</Message><SenderFault>false</SenderFault></member>\
         <member><Id>1</Id><Code>InvalidParameter</Code><SenderFault>true</SenderFault></member></Failed>",
    ))
    .await;
    let messages: Vec<_> = (0..4).map(message).collect();
    let results = Sdk::new(&server.uri()).await.topic(TOPIC).publish(&messages).await;
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
    let server =
        server(published("<Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful><Failed/>"))
            .await;
    let results = Sdk::new(&server.uri()).await.topic(TOPIC).publish(&[message(0)]).await;
    assert!(results.iter().all(Result::is_ok));
    let requests = server.received_requests().await.expect("requests");
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

/// SNS keeps the order of the messages in a group, and drops a message whose deduplication ID repeats.
#[tokio::test]
async fn a_batch_to_a_fifo_topic_carries_the_account_as_group_and_deduplication_ids() {
    let server =
        server(published("<Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful><Failed/>"))
            .await;
    let topic = Sdk::new(&server.uri()).await.topic("arn:aws:sns:eu-west-1:111122223333:alerts.fifo");
    assert!(topic.publish(&[message(0)]).await.iter().all(Result::is_ok));
    let requests = server.received_requests().await.expect("requests");
    let form = String::from_utf8(requests[0].body.clone()).expect("a form");
    let entry = "PublishBatchRequestEntries.member.1";
    for field in [format!("{entry}.MessageGroupId=111122223333"), format!("{entry}.MessageDeduplicationId=d0")] {
        assert!(form.split('&').any(|it| it == field), "{field} is not in {form}");
    }
}
