//! The Lambda Runtime API on loopback, for the function as a process.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

const REQUEST_ID: &str = "Lambda-Runtime-Aws-Request-Id";

/// What the function returned and wrote.
#[derive(Debug)]
pub(crate) struct Invoked {
    /// The reply to each payload. A failed invocation replies with its error.
    pub(crate) replies: Vec<String>,
    /// Standard output and standard error. Lambda logs both.
    pub(crate) log: String,
}

/// Runs the function with these variables as its environment, and invokes it with each payload, in order.
pub(crate) async fn invoke(environment: &[(&str, &str)], payloads: impl IntoIterator<Item = String>) -> Invoked {
    let runtime = MockServer::start().await;
    let payloads = Payloads(Mutex::new(payloads.into_iter().collect()));
    Mock::given(method("GET")).respond_with(payloads).mount(&runtime).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(202)).mount(&runtime).await;
    let output = Command::new(env!("CARGO_BIN_EXE_trailwarden"))
        .env_clear()
        .envs(environment.iter().copied())
        .env("AWS_LAMBDA_RUNTIME_API", runtime.address().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "trailwarden")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
        .output()
        .expect("a process");
    let requests = runtime.received_requests().await.expect("recorded requests");
    let replies = requests.into_iter().filter(|it| it.method == "POST");
    Invoked {
        replies: replies.map(|it| String::from_utf8(it.body).expect("text")).collect(),
        log: String::from_utf8([output.stdout, output.stderr].concat()).expect("text"),
    }
}

/// The payloads of the next invocations.
struct Payloads(Mutex<VecDeque<String>>);

impl Respond for Payloads {
    /// After the last payload, the request ID is not text, so the function ends with an error.
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let deadline = SystemTime::now() + Duration::from_mins(1);
        let deadline = deadline.duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis().to_string();
        let response = ResponseTemplate::new(200)
            .insert_header("Lambda-Runtime-Deadline-Ms", deadline)
            .insert_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:1:function:trailwarden");
        match self.0.lock().expect("a lock").pop_front() {
            Some(payload) => response
                .insert_header(REQUEST_ID, "8f2dd1c5-1a7f-4d5f-8f5c-0123456789ab")
                .set_body_raw(payload, "application/json"),
            None => response.insert_header(REQUEST_ID, b"\xff".as_slice()),
        }
    }
}
