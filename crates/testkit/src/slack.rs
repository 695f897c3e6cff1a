//! A scripted Slack: incoming webhooks under `/services/…` and `/api/chat.postMessage`, on a free port of loopback.
//!
//! Written on bare TCP, because half of what a test wants from it is what no HTTP server would do. A destination is
//! the last part of the webhook's path, or the `channel` of a posted message; each has its own script of replies,
//! used up in order, and its own standing reply for when the script is at its end (at first [`Reply::Ok`]).

mod reply;
mod wire;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout_at},
};

pub use reply::Reply;
use wire::Request;

/// One request that was read to its end, in the order of arrival.
#[derive(Debug, Clone)]
pub struct SlackMessage {
    /// The webhook's last path part, or the posted message's `channel`.
    pub destination: String,
    /// Whether it was posted in the channel: the reply said so, or would have, had it not been lost. Duplicates
    /// are counted among these.
    pub posted: bool,
    /// The path.
    pub path: String,
    /// Header names in lower case.
    pub headers: HashMap<String, String>,
    /// The JSON body; null if it is none.
    pub body: serde_json::Value,
    /// When it was read.
    pub at: std::time::Instant,
}

/// The running server; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct SlackServer {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    inner: Mutex<Inner>,
    /// Messages read so far; for those who wait.
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    scripts: HashMap<String, VecDeque<Reply>>,
    standing: HashMap<String, Reply>,
    messages: Vec<SlackMessage>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }

    fn next_reply(&self, destination: &str) -> Reply {
        let mut inner = self.lock();
        let scripted = inner.scripts.get_mut(destination).and_then(VecDeque::pop_front);
        scripted.or_else(|| inner.standing.get(destination).cloned()).unwrap_or(Reply::Ok)
    }

    fn record(&self, message: SlackMessage) {
        let count = {
            let mut inner = self.lock();
            inner.messages.push(message);
            inner.messages.len()
        };
        self.count.send_replace(count);
    }
}

impl SlackServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for the scripted Slack")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { inner: Mutex::default(), count: watch::Sender::new(0) });
        #[allow(clippy::disallowed_methods, reason = "the test kit has no telemetry; the handle is kept and aborted")]
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `slack.api_url`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// A webhook's URL; its secret-looking part is `destination`.
    #[must_use]
    pub fn webhook_url(&self, destination: &str) -> String {
        format!("http://{}/services/T00000000/B00000000/{destination}", self.address)
    }

    /// Appends replies to the destination's script: the first answers its next request.
    pub fn script(&self, destination: &str, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().scripts.entry(destination.to_owned()).or_default().extend(replies);
    }

    /// What answers the destination when its script is at its end.
    pub fn always(&self, destination: &str, reply: Reply) {
        self.state.lock().standing.insert(destination.to_owned(), reply);
    }

    /// Every request that was read, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<SlackMessage> {
        self.state.lock().messages.clone()
    }

    /// The requests of one destination that were posted in the channel.
    #[must_use]
    pub fn posted(&self, destination: &str) -> Vec<SlackMessage> {
        self.messages().into_iter().filter(|m| m.posted && m.destination == destination).collect()
    }

    /// Waits until `n` requests have been read, and returns them all.
    ///
    /// # Errors
    /// There are fewer when `within` has passed.
    pub async fn wait_for(&self, n: usize, within: Duration) -> Result<Vec<SlackMessage>> {
        let mut count = self.state.count.subscribe();
        if timeout_at(Instant::now() + within, count.wait_for(|count| n <= *count)).await.is_err() {
            bail!("the scripted Slack has read {} requests of {n} after {within:?}", self.messages().len());
        }
        Ok(self.messages())
    }
}

impl Drop for SlackServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => { connections.spawn(converse(stream, Arc::clone(&state))); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, state: Arc<State>) {
    if let Err(error) = serve(stream, &state).await {
        tracing::debug!(error = %error, "a client of the scripted Slack went away");
    }
}

async fn serve(stream: TcpStream, state: &State) -> Result<()> {
    let mut connection = wire::Connection::new(stream)?;
    while let Some(request) = connection.read().await? {
        let destination = request.destination();
        let reply = state.next_reply(&destination);
        if matches!(reply, Reply::CloseUnread) {
            return Ok(());
        }
        let is_api = request.is_api();
        state.record(message(request, destination, reply.posts()));
        if !reply.write(&mut connection, is_api).await? {
            return Ok(());
        }
    }
    Ok(())
}

fn message(request: Request, destination: String, posted: bool) -> SlackMessage {
    SlackMessage {
        destination,
        posted,
        body: serde_json::from_slice(&request.body).unwrap_or_default(),
        path: request.path,
        headers: request.headers,
        at: std::time::Instant::now(),
    }
}
