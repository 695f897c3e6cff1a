//! What slow and many clients cannot do to the server loop.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::StatusCode,
    routing::post,
};
use postrider_telemetry::http::{BodyTimedOut, HttpLimits, HttpServer, Overload};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);

const LIMITS: HttpLimits = HttpLimits {
    connections_max: 2,
    header_timeout: Duration::from_millis(200),
    body_timeout: Duration::from_millis(200),
    stall_timeout: Duration::from_millis(200),
    drain_timeout: Duration::from_secs(5),
};

static SLOW_BEGAN: Notify = Notify::const_new();
static SLOW_MAY_END: Notify = Notify::const_new();

async fn echo(body: Body) -> (StatusCode, Vec<u8>) {
    match to_bytes(body, 1024).await {
        Ok(bytes) => (StatusCode::OK, bytes.to_vec()),
        Err(error) if BodyTimedOut::is_cause_of(&error) => (StatusCode::REQUEST_TIMEOUT, b"slow".to_vec()),
        Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, Vec::new()),
    }
}

async fn server(limits: HttpLimits) -> HttpServer {
    let endless = || async { vec![b'x'; 64 * 1024 * 1024] };
    let slow = || async {
        SLOW_BEGAN.notify_one();
        SLOW_MAY_END.notified().await;
        "done"
    };
    let router = Router::new().route("/echo", post(echo)).route("/endless", post(endless)).route("/slow", post(slow));
    HttpServer::bind("127.0.0.1:0".parse().unwrap(), router, limits).await.unwrap()
}

async fn connect(server: &HttpServer, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server did not close").unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut() {
    let server = server(LIMITS).await;
    let began = Instant::now();
    let mut stream = connect(&server, "POST /echo HTTP/1.1\r\nhost: x\r\n").await;
    let answer = read_to_end(&mut stream).await;
    assert!(!answer.contains("200"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut() {
    let server = server(LIMITS).await;
    let mut stream = connect(&server, "").await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_body_that_drips_ends_as_timed_out() {
    let server = server(LIMITS).await;
    let mut stream =
        connect(&server, "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 500\r\n\r\n").await;
    let (mut read, mut write) = stream.split();
    let drip = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await; // the drip is the test
        }
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 16];
    tokio::select! {
        read = timeout(PATIENCE, read.read_exact(&mut answer)) => { read.unwrap().unwrap(); }
        () = drip => {}
    }
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_gives_its_place_back() {
    let server = server(HttpLimits { connections_max: 1, ..LIMITS }).await;
    let _deaf = connect(&server, "POST /endless HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
        let answer = read_to_end(&mut connect(&server, request).await).await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < deadline, "the deaf client still holds the only place: {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_again() {
    let server = server(HttpLimits { header_timeout: PATIENCE, ..LIMITS }).await;
    // Each has been answered once, so both places are certainly taken.
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&server, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await;
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        kept.push(stream);
    }
    let mut stream = connect(&server, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await;
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
}

/// Many a client takes an answer that comes before its question for a fault of the server, and drops it.
#[tokio::test]
async fn nobody_is_refused_before_they_have_asked() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let overload = Overload::new("text/plain", "full", Duration::from_secs(1), move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let limits = HttpLimits { connections_max: 0, ..LIMITS };
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = HttpServer::bind_with(listen, Router::new(), limits, overload).await.unwrap();
    let stream = connect(&server, "").await.into_std().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while refused.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline, "it was never accepted");
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await; // all that the server can do by itself
    }
    assert_eq!(stream.peek(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let mut stream = TcpStream::from_std(stream).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nfull"), "{answer}");
}

/// More than are answered at once: whoever is let go without a word counts as well.
#[tokio::test]
async fn every_refused_connection_is_counted_and_told_what_the_listener_wants() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let overload = Overload::new("application/json", "{}", Duration::from_secs(7), move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let limits = HttpLimits { connections_max: 0, ..LIMITS };
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = HttpServer::bind_with(listen, Router::new(), limits, overload).await.unwrap();
    let mut stream = connect(&server, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\n{}"), "{answer}");
    assert!(answer.contains("retry-after: 7\r\n") && answer.contains("application/json"), "{answer}");

    let mut kept = Vec::new();
    for _ in 0..99 {
        kept.push(connect(&server, "").await);
    }
    let deadline = Instant::now() + PATIENCE;
    while refused.load(Ordering::Relaxed) < 100 {
        assert!(Instant::now() < deadline, "only {refused:?} are counted");
        tokio::task::yield_now().await;
    }
}

/// Two lengths are how requests are smuggled past a proxy (RFC 9112, 6.1): what follows is not taken for a request.
#[tokio::test]
async fn after_a_request_with_two_lengths_the_connection_is_closed() {
    let server = server(HttpLimits { header_timeout: PATIENCE, ..LIMITS }).await;
    for lengths in
        [["content-length: 4", "transfer-encoding: chunked"], ["transfer-encoding: chunked", "content-length: 4"]]
    {
        let first = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{}\r\n\r\n2\r\nhi\r\n0\r\n\r\n", lengths.join("\r\n"));
        let second = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nho";
        let answer = read_to_end(&mut connect(&server, &format!("{first}{second}")).await).await;
        assert!(answer.contains("connection: close") && answer.ends_with("hi"), "{lengths:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths:?}: {answer}");
    }
}

#[tokio::test]
async fn shutdown_lets_a_request_in_flight_finish_and_accepts_no_other() {
    let server = server(LIMITS).await;
    let address = server.address();
    let mut stream = connect(&server, "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    timeout(PATIENCE, SLOW_BEGAN.notified()).await.unwrap();
    let client = async {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_ok() {
            assert!(Instant::now() < deadline, "it still accepts");
            tokio::task::yield_now().await;
        }
        SLOW_MAY_END.notify_one();
        read_to_end(&mut stream).await
    };
    let ((), answer) = tokio::join!(server.shutdown(), client);
    assert!(answer.ends_with("done"), "{answer}");
}

/// A client that sends all of its body before it reads sees why it was refused, not a broken pipe.
#[tokio::test]
async fn a_refused_upload_can_still_be_sent_to_its_end() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let server = server(HttpLimits { body_timeout: PATIENCE, stall_timeout: PATIENCE, ..LIMITS }).await;
    for path in ["echo", "nowhere"] {
        let head = format!("POST /{path} HTTP/1.1\r\nhost: t\r\ncontent-length: {LENGTH}\r\n\r\n");
        let mut stream = connect(&server, &head).await;
        stream.write_all(&vec![b'x'; LENGTH]).await.expect("the whole body is taken");
        let answer = read_to_end(&mut stream).await;
        let status = if path == "echo" { "413" } else { "404" };
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}
