//! The Lambda API and `sts:AssumeRole` on loopback, with injected faults.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::fixture::records::{ACCOUNT, REGION};

/// Maximum number of mappings in a page.
const PAGE: usize = 20;

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    GetEventSourceMapping,
    GetFunctionConfiguration,
    ListEventSourceMappings,
    ListTags,
    AssumeRole,
}

/// The fault of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `TooManyRequestsException`, status 429.
    Throttles,
    /// `AccessDeniedException`, status 403.
    Denies,
    /// `ServiceException`, status 500.
    Fails,
    /// No response is sent within any timeout.
    Hangs,
}

/// The server. It knows one function and its mapping, and lists the mappings that a test sets.
pub(crate) struct LambdaServer {
    server: MockServer,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    faults: Mutex<HashMap<Operation, Fault>>,
    calls: Mutex<Vec<(Operation, Call)>>,
    /// The mappings to list, by account and Region.
    mappings: Mutex<HashMap<(String, String), Vec<Value>>>,
    /// Each call whose number is a multiple of this number is throttled; 0 throttles no call.
    throttled: AtomicUsize,
}

/// A call: its path, without encoding, and the access key that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) at: Instant,
}

impl LambdaServer {
    pub(crate) async fn start() -> Self {
        let (server, state) = (MockServer::start().await, Arc::new(State::default()));
        Mock::given(any()).respond_with(Responder(Arc::clone(&state))).mount(&server).await;
        Self { server, state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.uri()
    }

    /// Injects a fault into every call of an operation.
    pub(crate) fn fault(&self, operation: Operation, fault: Fault) {
        self.state.faults.lock().expect("a lock").insert(operation, fault);
    }

    /// Throttles each call whose number is a multiple of this number.
    pub(crate) fn throttle_every(&self, number: usize) {
        self.state.throttled.store(number, Ordering::Relaxed);
    }

    /// Sets the mappings of an account in a Region.
    pub(crate) fn list(&self, account: &str, region: &str, mappings: Vec<Value>) {
        let mut all = self.state.mappings.lock().expect("a lock");
        all.insert((account.to_owned(), region.to_owned()), mappings);
    }

    /// The calls of an operation so far.
    pub(crate) fn calls(&self, operation: Operation) -> Vec<Call> {
        let calls = self.state.calls.lock().expect("a lock");
        calls.iter().filter(|(it, _)| *it == operation).map(|(_, call)| call.clone()).collect()
    }
}

struct Responder(Arc<State>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let call = call(request);
        let path: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
        // Each operation has one line here and one in `Operation`.
        let (operation, response) = match (request.method.as_str(), path.as_slice()) {
            ("GET", ["2015-03-31", "event-source-mappings"]) => {
                (Operation::ListEventSourceMappings, self.page(request, &call))
            }
            ("GET", ["2015-03-31", "event-source-mappings", uuid]) => (Operation::GetEventSourceMapping, mapping(uuid)),
            ("GET", ["2015-03-31", "functions", name, "configuration"]) => {
                (Operation::GetFunctionConfiguration, function(name))
            }
            ("GET", ["2017-03-31", "tags", arn]) => (Operation::ListTags, tags(arn)),
            ("POST", [""]) if call.body.contains("Action=AssumeRole") => (Operation::AssumeRole, session(&call.body)),
            (method, path) => panic!("no operation: {method} {path:?}"),
        };
        let path = call.path.clone();
        let mut calls = self.0.calls.lock().expect("a lock");
        calls.push((operation, call));
        let every = self.0.throttled.load(Ordering::Relaxed);
        if every > 0 && calls.len().is_multiple_of(every) && operation != Operation::AssumeRole {
            return error(429, "TooManyRequestsException", &path);
        }
        match self.0.faults.lock().expect("a lock").get(&operation) {
            None => response,
            Some(Fault::Hangs) => response.set_delay(Duration::from_mins(1)),
            Some(_) if operation == Operation::AssumeRole => sts_error(403, "AccessDenied"),
            Some(Fault::Throttles) => error(429, "TooManyRequestsException", &path),
            Some(Fault::Denies) => error(403, "AccessDeniedException", &path),
            Some(Fault::Fails) => error(500, "ServiceException", &path),
        }
    }
}

impl Responder {
    /// A page of the mappings of the account that signed the call, in its Region.
    fn page(&self, request: &Request, call: &Call) -> ResponseTemplate {
        let query: HashMap<_, _> = request.url.query_pairs().collect();
        let account = call.access_key.strip_prefix("member-").unwrap_or(ACCOUNT);
        let mappings = self.0.mappings.lock().expect("a lock");
        let all = mappings.get(&(account.to_owned(), call.region.clone())).map(Vec::as_slice).unwrap_or_default();
        let start = query.get("Marker").map_or(0, |marker| marker.parse().expect("a marker"));
        let most: usize = query.get("MaxItems").map_or(100, |number| number.parse().expect("a number"));
        let end = all.len().min(start + most.min(PAGE));
        let next = if end < all.len() { json!(end.to_string()) } else { json!("") };
        ok(&json!({"EventSourceMappings": all[start..end], "NextMarker": next}))
    }
}

fn call(request: &Request) -> Call {
    let header = |name: &str| request.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    // `AWS4-HMAC-SHA256 Credential=<key>/<date>/<Region>/…`
    let credential = header("authorization").split("Credential=").nth(1).unwrap_or_default();
    let mut scope = credential.split('/').map(str::to_owned);
    Call {
        path: percent_decode_str(request.url.path()).decode_utf8().expect("text").into_owned(),
        body: String::from_utf8(request.body.clone()).expect("text"),
        access_key: scope.next().unwrap_or_default(),
        region: scope.nth(1).unwrap_or_default(),
        at: Instant::now(),
    }
}

/// The function of the mapping.
pub(crate) fn function_arn() -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")
}

fn mapping(uuid: &str) -> ResponseTemplate {
    if uuid.starts_with('0') {
        return error(404, "ResourceNotFoundException", uuid);
    }
    ok(&json!({
        "UUID": uuid,
        "State": "Disabled",
        "StateTransitionReason": "User action",
        "LastProcessingResult": "PROBLEM: Function call failed",
        "LastModified": 1_767_322_800.0,
        "FunctionArn": function_arn(),
        "EventSourceArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:orders-queue"),
    }))
}

fn function(name: &str) -> ResponseTemplate {
    if !name.contains("function:orders") {
        return error(404, "ResourceNotFoundException", name);
    }
    ok(&json!({
        "FunctionName": "orders",
        "FunctionArn": function_arn(),
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/orders"),
        "KMSKeyArn": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/1"),
        "State": "Active",
        "Environment": {"Variables": {"PASSWORD": "secret"}},
    }))
}

fn tags(arn: &str) -> ResponseTemplate {
    if arn == function_arn() {
        ok(&json!({"Tags": {"team": "payments", "Cost": "1"}}))
    } else {
        error(404, "ResourceNotFoundException", arn)
    }
}

/// A session of the role that a request names, whose access key contains the account of the role.
fn session(request: &str) -> ResponseTemplate {
    let (_, role) = request.split_once("RoleArn=arn%3Aaws%3Aiam%3A%3A").expect("a role");
    let account = &role[..12];
    let body = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>member-{account}</AccessKeyId><SecretAccessKey>member-secret</SecretAccessKey>\
         <SessionToken>member-token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    );
    ResponseTemplate::new(200).set_body_raw(body, "text/xml")
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_string(), "application/json")
}

/// An error whose message names the resource, as those of AWS do.
fn error(status: u16, code: &str, resource: &str) -> ResponseTemplate {
    let body = json!({"Type": "User", "Message": format!("injected: {resource}")});
    ResponseTemplate::new(status)
        .insert_header("x-amzn-errortype", code)
        .set_body_raw(body.to_string(), "application/json")
}

fn sts_error(status: u16, code: &str) -> ResponseTemplate {
    let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>");
    ResponseTemplate::new(status).set_body_raw(body, "text/xml")
}
