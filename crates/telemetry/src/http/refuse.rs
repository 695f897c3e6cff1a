//! One connection too many: told so, quickly.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\n\r\n\
    too many connections; try again later\n";
/// For all of it: the client need not hurry, but it gets no more than this.
const LIMIT: Duration = Duration::from_secs(1);

/// Answers 503 with `Retry-After` and closes. Bytes that the client sent are read away first: closing
/// over unread bytes resets the connection, and the client would see the reset instead of the answer.
pub(super) async fn refuse(mut stream: TcpStream) {
    let polite = async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        let mut unread = [0; 4096];
        while 0 < stream.read(&mut unread).await? {}
        std::io::Result::Ok(())
    };
    drop(timeout(LIMIT, polite).await); // it is refused either way
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_says_its_own_length() {
        let text = std::str::from_utf8(super::ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
