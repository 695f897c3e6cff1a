//! Encoded words and parameters, line ends and dots: the last hand on the bytes before the wire.

use base64::{Engine, prelude::BASE64_STANDARD};

/// Bytes of text in one encoded word: with base64 and its frame, it fits beside `Subject: ` into a line of 76.
const WORD_BYTES_MAX: usize = 39;

/// `text` as encoded words (RFC 2047), one a line; readers join them without what is between. No word ends inside a
/// character.
pub(super) fn words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end =
            (0..=WORD_BYTES_MAX.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        words.push(format!("=?utf-8?b?{}?=", BASE64_STANDARD.encode(&rest[..end])));
        rest = &rest[end..];
    }
    words.join("\r\n ")
}

/// Bytes of a value in one piece of a parameter: three characters for each fit into a line.
const PIECE_BYTES_MAX: usize = 18;

/// A parameter whose value is escaped as a whole (RFC 2231), one piece a line, each after a fold.
pub(super) fn parameter(name: &str, value: &str) -> String {
    let pieces: Vec<&[u8]> = value.as_bytes().chunks(PIECE_BYTES_MAX).collect();
    let write = |(at, piece): (usize, &&[u8])| {
        let section = if pieces.len() == 1 { String::new() } else { format!("*{at}") };
        let charset = if at == 0 { "utf-8''" } else { "" };
        let escaped: String = piece.iter().map(|byte| format!("%{byte:02X}")).collect();
        format!("\r\n {name}{section}*={charset}{escaped}")
    };
    pieces.iter().enumerate().map(write).collect::<Vec<_>>().join(";")
}

/// Bare line ends become CRLF. Done here in one pass because lettre inserts each CR by moving the whole rest of the
/// text.
pub(super) fn crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32 + 2);
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        out.push_str(&rest[..at]);
        out.push_str("\r\n");
        rest = rest[at..].strip_prefix("\r\n").unwrap_or(&rest[at + 1..]);
    }
    out.push_str(rest);
    out
}

/// The message as DATA carries it (RFC 5321, 4.5.2): every line ends in CRLF, a line that begins with a dot gets one
/// more, and the final dot stands on a line of its own. No bare CR or LF survives, so no content can end the
/// message early and smuggle in a command.
pub(super) fn with_final_dot(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 16);
    let mut rest = message;
    while !rest.is_empty() {
        if rest[0] == b'.' {
            out.push(b'.');
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(b"\r\n");
        rest = &rest[end..];
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(String::from_utf8(with_final_dot(message.as_bytes())).unwrap(), expected, "{message:?}");
    }

    #[test]
    fn dots_and_line_ends_cannot_end_the_message_early() {
        check("a\r\n", "a\r\n.\r\n");
        check("a", "a\r\n.\r\n");
        check("", ".\r\n");
        check(".\r\n", "..\r\n.\r\n");
        check("..a\r\n.", "...a\r\n..\r\n.\r\n");
        check("a\n.\nQUIT\n", "a\r\n..\r\nQUIT\r\n.\r\n");
        check("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n");
        check("a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n");
        check("a\n\r\nb", "a\r\n\r\nb\r\n.\r\n");
    }

    #[test]
    fn encoded_words_are_short_and_whole() {
        assert_eq!(words("=?utf-8?B?SGk=?="), "=?utf-8?b?PT91dGYtOD9CP1NHaz0/PQ==?=");
        let text = "=?🍏ä".repeat(50);
        for line in format!("Subject: {}", words(&text)).split("\r\n") {
            assert!(line.len() <= 76, "{line}");
            let coded = line.split_once("=?utf-8?b?").unwrap().1.strip_suffix("?=").unwrap();
            String::from_utf8(BASE64_STANDARD.decode(coded).unwrap()).unwrap();
        }
    }

    #[test]
    fn line_ends_are_made_whole_once() {
        assert_eq!(crlf("a\nb\r\nc\rd\n\n"), "a\r\nb\r\nc\r\nd\r\n\r\n");
        assert_eq!(crlf("ä"), "ä");
        assert_eq!(crlf(""), "");
    }
}
