//! S3 and SNS on loopback, with injected faults.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// The fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// `InternalError`, status 500.
    Internal,
    /// `SlowDown`, status 503.
    SlowDown,
    /// The connection is closed without a response.
    NoAnswer,
    /// No response is sent, and the connection stays open.
    Silence,
    /// The connection is reset in the middle of the body.
    Reset,
    /// The connection is closed in the middle of the body.
    Close,
    /// The connection is closed in the middle of the body, and another object replaces this one.
    Replace,
    /// The body stops halfway, and the connection stays open.
    Stall,
    /// The response announces and sends only half of the body.
    HalfLength,
    /// Every second entry of a batch is rejected with a transient error.
    Refuse,
    /// The object is reported as missing.
    Missing,
    /// The request is denied.
    Denied,
    /// The object is archived.
    Archived,
}

/// Chooses the fault of the next request to a service.
pub(crate) type Plan = Box<dyn FnMut(Service) -> Option<Fault> + Send>;

/// The service that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// `GetObject`.
    S3,
    /// `PublishBatch`.
    Sns,
}

/// The server. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    objects: Mutex<HashMap<String, Vec<u8>>>,
    published: Mutex<Vec<String>>,
    injected: Mutex<Vec<Fault>>,
    plan: Mutex<Plan>,
    /// How often an object was replaced; the entity tag of all objects.
    generation: AtomicU64,
    over: AtomicBool,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State {
            objects: Mutex::default(),
            published: Mutex::default(),
            injected: Mutex::default(),
            plan: Mutex::new(Box::new(|_| None)),
            generation: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                // A client that disconnects ends only its own connection.
                std::thread::spawn(move || state.serve(&stream.expect("a connection")).unwrap_or_default());
            }
        });
        Self { url, state }
    }

    pub(crate) fn put(&self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.state.objects.lock().expect("a lock").insert(path.into(), bytes.into());
    }

    pub(crate) fn plan(&self, plan: impl FnMut(Service) -> Option<Fault> + Send + 'static) {
        *self.state.plan.lock().expect("a lock") = Box::new(plan);
    }

    /// Subjects of the messages that were confirmed.
    pub(crate) fn published(&self) -> Vec<String> {
        self.state.published.lock().expect("a lock").clone()
    }

    /// The faults injected so far.
    pub(crate) fn injected(&self) -> Vec<Fault> {
        self.state.injected.lock().expect("a lock").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        TcpStream::connect(self.url.trim_start_matches("http://")).ok();
    }
}

struct Request {
    line: String,
    headers: HashMap<String, String>,
    body: String,
}

impl State {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader)? {
            let service = if request.line.starts_with("GET") { Service::S3 } else { Service::Sns };
            let fault = (self.plan.lock().expect("a lock"))(service);
            self.injected.lock().expect("a lock").extend(fault);
            let tag = self.tag();
            let (status, body) = match fault {
                Some(Fault::NoAnswer) => return stream.shutdown(Shutdown::Both),
                Some(Fault::Silence) => {
                    wait();
                    return Ok(());
                }
                Some(Fault::Internal) => (500, error("InternalError")),
                Some(Fault::SlowDown) => (503, error("SlowDown")),
                Some(Fault::Missing) => (404, error("NoSuchKey")),
                Some(Fault::Denied) => (403, error("AccessDenied")),
                Some(Fault::Archived) => (403, error("InvalidObjectState")),
                _ if service == Service::S3 => self.object(&request),
                _ => (200, self.publish(&request.body, fault == Some(Fault::Refuse))),
            };
            let (half, rest) = body.split_at(body.len() / 2);
            let announced = if fault == Some(Fault::HalfLength) { half.len() } else { body.len() };
            let mut stream = stream;
            write!(stream, "HTTP/1.1 {status} S\r\nContent-Length: {announced}\r\nETag: {tag}\r\n\r\n")?;
            stream.write_all(half)?;
            match fault {
                Some(Fault::HalfLength) => {}
                Some(Fault::Close) => return stream.shutdown(Shutdown::Both),
                Some(Fault::Replace) => {
                    self.generation.fetch_add(1, Ordering::Relaxed);
                    return stream.shutdown(Shutdown::Both);
                }
                // With a linger of zero, closing the connection resets it.
                Some(Fault::Reset) => return reset(stream),
                Some(Fault::Stall) => {
                    wait();
                    return Ok(());
                }
                _ => stream.write_all(rest)?,
            }
        }
        Ok(())
    }

    fn tag(&self) -> String {
        format!("\"{}\"", self.generation.load(Ordering::Relaxed))
    }

    /// The object, or the requested range of it.
    fn object(&self, request: &Request) -> (u16, Vec<u8>) {
        let path = request.line.split([' ', '?']).nth(1).expect("a path");
        let objects = self.objects.lock().expect("a lock");
        let Some(bytes) = objects.get(percent_decode_str(path).decode_utf8().expect("text").as_ref()) else {
            return (404, error("NoSuchKey"));
        };
        match request.headers.get("range").and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()) {
            Some(from) if request.headers.get("if-match").is_some_and(|tag| *tag == self.tag()) => {
                (206, bytes.split_at(from).1.to_vec())
            }
            Some(_) => (412, error("PreconditionFailed")),
            None => (200, bytes.clone()),
        }
    }

    fn publish(&self, form: &str, refuse: bool) -> Vec<u8> {
        use std::fmt::Write as _;
        let fields: HashMap<_, _> = form.split('&').filter_map(|it| it.split_once('=')).collect();
        let (mut successful, mut failed) = (String::new(), String::new());
        for n in 1..=10 {
            let Some(id) = fields.get(format!("PublishBatchRequestEntries.member.{n}.Id").as_str()) else { break };
            let subject = fields[format!("PublishBatchRequestEntries.member.{n}.Subject").as_str()];
            if refuse && n % 2 == 0 {
                let why = "<Code>InternalError</Code><SenderFault>false</SenderFault>";
                write!(failed, "<member><Id>{id}</Id>{why}</member>").expect("text");
            } else {
                write!(successful, "<member><Id>{id}</Id><MessageId>m</MessageId></member>").expect("text");
                let subject = percent_decode_str(subject).decode_utf8().expect("text").into_owned();
                self.published.lock().expect("a lock").push(subject);
            }
        }
        format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
             <Successful>{successful}</Successful><Failed>{failed}</Failed></PublishBatchResult></PublishBatchResponse>"
        )
        .into_bytes()
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { line, headers, body: String::from_utf8(body).expect("a form") }))
}

fn error(code: &str) -> Vec<u8> {
    // The SDK reads the code of S3 from the root element, that of SNS from a nested one.
    format!("<Error><Code>{code}</Code><Message>injected</Message><Error><Code>{code}</Code></Error></Error>")
        .into_bytes()
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Waits longer than any client does.
fn wait() {
    std::thread::sleep(Duration::from_secs(20));
}
