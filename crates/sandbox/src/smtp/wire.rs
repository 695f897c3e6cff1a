//! The bytes of one SMTP connection: lines in, message bodies in, replies out.

use std::{io, mem, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Receiving;

/// A command line's limit (RFC 5321 asks for 512 and what extensions add).
const LINE_BYTES_MAX: usize = 4_096;
/// A longer line of a message is taken in parts, so that what is not yet counted stays small.
const PART_BYTES_MAX: usize = 64 * 1024;
/// Replies to pipelined commands are held back up to this many bytes.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// Why a connection is given up.
#[derive(Debug)]
pub(super) enum Gone {
    /// Closed or broken.
    Closed,
    /// A command line without an end.
    LineTooLong,
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        // A client of the sandbox that goes away is its own business: there is nobody to tell why.
        Self::Closed
    }
}

/// A message's body, or why it is not kept.
#[derive(Debug)]
pub(super) enum Data {
    Complete(Bytes),
    TooLarge,
    NoRoom,
}

pub(super) struct Wire {
    stream: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, input: BytesMut::with_capacity(8 * 1024), output: Vec::new() }
    }

    /// Queues a reply. It goes out when the next line has to be waited for, so that pipelined commands are answered together.
    pub(super) fn reply(&mut self, reply: &str) {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        let output = mem::take(&mut self.output);
        self.stream.write_all(&output).await?;
        Ok(())
    }

    /// The next line without its end (CRLF, or LF for people who type).
    pub(super) async fn line(&mut self) -> Result<BytesMut, Gone> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.input[searched..].iter().position(|&byte| byte == b'\n') {
                let mut line = self.input.split_to(searched + end + 1);
                let ending = if line.ends_with(b"\r\n") { 2 } else { 1 };
                line.truncate(line.len() - ending);
                if self.output.len() > REPLY_BYTES_MAX {
                    self.flush().await?;
                }
                return Ok(line);
            }
            searched = self.input.len();
            if searched > LINE_BYTES_MAX {
                return Err(Gone::LineTooLong);
            }
            self.fill().await?;
        }
    }

    /// The message up to the line that holds a single dot, dots unstuffed. Only CRLF ends a line here: a server that
    /// takes a bare LF for one lets one mail smuggle in another. One that is too large is read to its end and thrown away.
    pub(super) async fn data(&mut self, bytes_max: usize, receiving: &Arc<Receiving>) -> Result<Data, Gone> {
        let mut message = Collected { bytes: Vec::new(), too_large: false, no_room: false, receiving };
        let mut searched = 0;
        let mut at_line_start = true;
        loop {
            while let Some(end) = find_crlf(&self.input, searched) {
                let line = self.input.split_to(end + 2);
                searched = 0;
                if at_line_start && &line[..] == b".\r\n" {
                    return Ok(message.finish());
                }
                message.add(unstuffed(&line, at_line_start), bytes_max);
                at_line_start = true;
            }
            if self.input.len() > PART_BYTES_MAX {
                // All but the last byte, which may be the CR of a CRLF.
                let part = self.input.split_to(self.input.len() - 1);
                message.add(unstuffed(&part, at_line_start), bytes_max);
                at_line_start = false;
            }
            searched = self.input.len().saturating_sub(1);
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Gone> {
        if !self.output.is_empty() {
            self.flush().await?;
        }
        self.input.reserve(8 * 1024);
        if self.stream.read_buf(&mut self.input).await? == 0 {
            return Err(Gone::Closed);
        }
        Ok(())
    }
}

/// A line, or the first part of one, without the dot that was put before its own.
fn unstuffed(line: &[u8], at_line_start: bool) -> &[u8] {
    if at_line_start { line.strip_prefix(b".").unwrap_or(line) } else { line }
}

fn find_crlf(input: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += input.get(at..)?.iter().position(|&byte| byte == b'\r')?;
        if *input.get(at + 1)? == b'\n' {
            return Some(at);
        }
        at += 1;
    }
}

/// A message on its way in; gives its bytes back to the common budget when it is done or dropped.
struct Collected<'a> {
    bytes: Vec<u8>,
    too_large: bool,
    no_room: bool,
    receiving: &'a Arc<Receiving>,
}

impl Collected<'_> {
    fn is_refused(&self) -> bool {
        self.too_large || self.no_room
    }

    fn add(&mut self, line: &[u8], bytes_max: usize) {
        if self.is_refused() {
            return;
        }
        if self.bytes.len() + line.len() > bytes_max {
            self.too_large = true;
        } else {
            self.no_room = !self.receiving.take(line.len());
            self.bytes.extend_from_slice(line);
        }
        if self.is_refused() {
            self.forget();
        }
    }

    fn forget(&mut self) -> Vec<u8> {
        self.receiving.give_back(self.bytes.len());
        mem::take(&mut self.bytes)
    }

    fn finish(mut self) -> Data {
        if self.too_large {
            Data::TooLarge
        } else if self.no_room {
            Data::NoRoom
        } else {
            Data::Complete(Bytes::from(self.forget()))
        }
    }
}

impl Drop for Collected<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::find_crlf;

    #[test]
    fn a_line_ends_with_both_bytes_only() {
        for (input, from, expected) in [
            (&b"ab\r\n"[..], 0, Some(2)),
            (b"a\rb\nc\r\n", 0, Some(5)),
            (b"ab\r", 0, None),
            (b"ab\r\n", 3, None),
            (b"\r\r\n", 0, Some(1)),
            (b"", 0, None),
        ] {
            assert_eq!(find_crlf(input, from), expected, "{input:?} from {from}");
        }
    }
}
