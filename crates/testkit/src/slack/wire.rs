//! Just enough HTTP/1.1 to read a request with a known length.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// What the server will read of one request.
const BODY_MAX: usize = 16 * 1024 * 1024;
const HEAD_LINES_MAX: usize = 100;

pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn is_api(&self) -> bool {
        self.path.ends_with("/chat.postMessage")
    }

    pub(super) fn destination(&self) -> String {
        if !self.is_api() {
            return self.path.rsplit('/').next().unwrap_or_default().to_owned();
        }
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["channel"].as_str().unwrap_or_default().to_owned()
    }
}

pub(super) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The next request; none if the client has closed.
    pub(super) async fn read(&mut self) -> Result<Option<Request>> {
        let Some(first) = self.line().await? else { return Ok(None) };
        let path = first.split(' ').nth(1).context("no HTTP request line")?.to_owned();
        let mut headers = HashMap::new();
        for _ in 0..HEAD_LINES_MAX {
            let line = self.line().await?.context("the head broke off")?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length: usize =
            headers.get("content-length").map_or("0", String::as_str).parse().context("content-length")?;
        if BODY_MAX < length {
            bail!("a body of {length} bytes");
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(Some(Request { path, headers, body }))
    }

    async fn line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).await?;
        Ok((0 < read).then(|| line.trim_end().to_owned()))
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.get_mut().write_all(bytes).await?;
        Ok(())
    }
}
