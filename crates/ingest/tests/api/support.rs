//! A sink in memory, the API on loopback in front of it, and a client that can be as slow or as wrong as a test needs.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use postrider_domain::{ChannelName, DestinationName, RecordHeader, Secret};
use postrider_ingest::{ApiKey, EventSink, Ingest, IngestLimits, IngestSettings, RunningIngest, SinkError};
use postrider_telemetry::Registry;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const KEY: &str = "key-of-the-shop";

/// What the sink answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Acknowledge,
    /// Acknowledges only as far as permits are given to `gate`.
    Hold,
    Full,
    Unavailable,
    Unknown,
    TooLarge,
    /// Unavailable for keys that begin with `bad`.
    Picky,
}

#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<RecordHeader>,
}

/// Keeps what it is given; its answer can be chosen.
pub(crate) struct MemorySink {
    pub(crate) mode: Mutex<Mode>,
    pub(crate) written: Mutex<Vec<Written>>,
    pub(crate) gate: Semaphore,
    pub(crate) waiting: Semaphore,
}

#[async_trait]
impl EventSink for MemorySink {
    async fn produce(&self, key: &str, value: Vec<u8>, headers: Vec<RecordHeader>) -> Result<(i32, i64), SinkError> {
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Acknowledge => {}
            Mode::Hold => {
                self.waiting.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
            }
            Mode::Full => return Err(SinkError::Full { retry_after: Duration::from_secs(7) }),
            Mode::Unavailable => return Err(SinkError::Unavailable("no broker".into())),
            Mode::Picky if key.starts_with("bad") => return Err(SinkError::Unavailable("no broker".into())),
            Mode::Picky => {}
            Mode::Unknown => return Err(SinkError::Unknown("timed out".into())),
            Mode::TooLarge => return Err(SinkError::TooLarge),
        }
        let mut written = self.written.lock().unwrap();
        written.push(Written { key: key.to_owned(), value, headers });
        Ok((3, i64::try_from(written.len()).unwrap() - 1))
    }

    fn ready(&self) -> bool {
        true
    }
}

/// The API under test.
pub(crate) struct Api {
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) registry: Registry,
    pub(crate) address: SocketAddr,
    pub(crate) running: RunningIngest,
}

pub(crate) fn settings() -> IngestSettings {
    IngestSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        body_max: 64 * 1024,
        keys: vec![ApiKey { source: "shop".to_owned(), key: Secret::new(KEY) }],
        not_before_max: Duration::from_secs(24 * 3600),
        channels: BTreeSet::from(ChannelName::ALL),
        slack_destinations: BTreeSet::from([DestinationName::new("ops")]),
        limits: IngestLimits { drain_timeout: PATIENCE, ..IngestLimits::default() },
    }
}

pub(crate) async fn start(change: impl FnOnce(&mut IngestSettings)) -> Api {
    let mut settings = settings();
    change(&mut settings);
    let sink = Arc::new(MemorySink {
        mode: Mutex::new(Mode::Acknowledge),
        written: Mutex::default(),
        gate: Semaphore::new(0),
        waiting: Semaphore::new(0),
    });
    let registry = Registry::new();
    let running = Ingest::start(settings, Arc::<MemorySink>::clone(&sink), &registry).await.unwrap();
    Api { sink, registry, address: running.address(), running }
}

/// An answer, its headers in lower case.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Api {
    pub(crate) fn set(&self, mode: Mode) {
        *self.sink.mode.lock().unwrap() = mode;
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", "application/json"), AUTHORIZED], body).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut client = open(self.address, method, path, headers, body.len()).await;
        client.write_all(body.as_bytes()).await.unwrap();
        reply(&mut client).await
    }

    /// Sends a head that promises `length` bytes of body.
    pub(crate) async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> TcpStream {
        open(self.address, method, path, headers, length).await
    }

    /// The value of one series, as `/metrics` would show it.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text =
            postrider_telemetry::prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    pub(crate) fn series(&self) -> usize {
        let text =
            postrider_telemetry::prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    }
}

pub(crate) const AUTHORIZED: (&str, &str) = ("authorization", "Bearer key-of-the-shop");

/// Calls `localhost`, unless the headers name another host.
async fn open(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> TcpStream {
    let host = if headers.iter().any(|(name, _)| *name == "host") { "" } else { "host: localhost\r\n" };
    let mut head = format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {length}\r\n\r\n"));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

/// Posts JSON to an API that stands anywhere on loopback.
pub(crate) async fn post_to(address: SocketAddr, path: &str, body: &str) -> Reply {
    let headers = [("content-type", "application/json"), AUTHORIZED];
    let mut client = open(address, "POST", path, &headers, body.len()).await;
    client.write_all(body.as_bytes()).await.unwrap();
    reply(&mut client).await
}

/// Reads until the server closes.
pub(crate) async fn reply(client: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut bytes)).await.expect("an answer").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
}

pub(crate) fn event(key: &str) -> String {
    format!(
        r#"{{"event_key": "{key}", "type": "order.shipped",
            "email": {{"to": [{{"address": "ada@Example.com"}}], "cc": [{{"address": "ada@example.com"}}],
                       "subject": "On its way", "text": "It is on its way"}},
            "slack": {{"to": ["ops"], "text": "shipped"}}}}"#
    )
}
