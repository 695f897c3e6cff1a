//! A load of POSTs over kept connections, lean enough not to be what is measured.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a load came to.
pub(crate) struct Load {
    pub per_second: f64,
    pub median: Duration,
}

/// Sends `requests` bodies over `connections`; `body(n)` makes the n-th. Every answer must have `status`.
pub(crate) async fn post(
    address: SocketAddr,
    path: &'static str,
    connections: usize,
    requests: usize,
    body: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Result<Load> {
    let (next, body) = (Arc::new(AtomicUsize::new(0)), Arc::new(body));
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (next, body) = (Arc::clone(&next), Arc::clone(&body));
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if requests <= number {
                    return anyhow::Ok(took);
                }
                let body = body(number);
                let sent = Instant::now();
                one(&mut stream, path, &body).await?;
                took.push(sent.elapsed());
            }
        });
    }
    let mut took = Vec::new();
    while let Some(done) = tasks.join_next().await {
        took.extend(done??);
    }
    let per_second = requests as f64 / began.elapsed().as_secs_f64();
    took.sort_unstable();
    Ok(Load { per_second, median: took[took.len() / 2] })
}

async fn one(stream: &mut TcpStream, path: &str, body: &str) -> Result<()> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1024);
    let head = loop {
        ensure!(stream.read_buf(&mut answer).await? != 0, "the connection was closed");
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
    ensure!(text.starts_with("http/1.1 20"), "unexpected answer: {}", String::from_utf8_lossy(&answer));
    let length: usize =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?.trim().parse()?;
    while answer.len() < head + length {
        ensure!(stream.read_buf(&mut answer).await? != 0, "the connection was closed");
    }
    Ok(())
}
