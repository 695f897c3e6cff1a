//! SMTP replies, read from bytes (RFC 5321, 4.2): strict in what decides, bounded in everything.

/// Bytes of one line. RFC 5321 says 512; a few relays write more.
const LINE_BYTES_MAX: usize = 2_048;
/// Lines of one reply.
const LINES_MAX: usize = 128;

/// One whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Three digits, the first 2 to 5.
    pub(super) code: u16,
    /// The text of each line, without code and line end.
    pub(super) lines: Vec<String>,
}

/// Why bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyProblem {
    #[error("a line that does not begin with a reply code")]
    NoCode,
    #[error("a reply whose lines have different codes")]
    Mixed,
    #[error("a line longer than 2048 bytes")]
    LineTooLong,
    #[error("a reply of more than 128 lines")]
    TooManyLines,
    #[error("more than one reply to one command")]
    Unasked,
}

impl Reply {
    /// The reply at the beginning of `bytes` and how many of them it takes; `None` while it is not complete.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ReplyProblem> {
        let mut code = None;
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
            let line = &bytes[at..at + length];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            at += length + 1;
            let (line_code, last, text) = split(line)?;
            if *code.get_or_insert(line_code) != line_code {
                return Err(ReplyProblem::Mixed);
            }
            lines.push(printable(text));
            if last {
                return Ok(Some((Self { code: line_code, lines }, at)));
            }
            if lines.len() >= LINES_MAX {
                return Err(ReplyProblem::TooManyLines);
            }
        }
        if bytes.len() - at > LINE_BYTES_MAX {
            return Err(ReplyProblem::LineTooLong);
        }
        Ok(None)
    }

    /// 2xx: done as asked. Neither 3xx (go on) nor 1xx is.
    pub(super) fn is_done(&self) -> bool {
        self.code / 100 == 2
    }

    /// Puts `***` in the place of every secret.
    pub(super) fn redact(&mut self, secrets: &[String]) {
        for line in &mut self.lines {
            for secret in secrets {
                if line.contains(secret.as_str()) {
                    *line = line.replace(secret.as_str(), "***");
                }
            }
        }
    }

    /// Code and text on one line.
    pub(super) fn text(&self) -> String {
        let mut text = self.code.to_string();
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            text.push(' ');
            text.push_str(line);
        }
        text
    }

    /// The enhanced status code without its class (RFC 3463): `.1.1` of `550 5.1.1 No such user`.
    pub(super) fn enhanced(&self) -> Option<&str> {
        let first = self.lines.first()?.split(' ').next()?;
        let (class, detail) = first.split_at_checked(1)?;
        let mut parts = detail.strip_prefix('.')?.split('.');
        let is_number = |part: Option<&str>| {
            part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let shaped = is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none();
        (matches!(class, "2" | "4" | "5") && shaped).then_some(detail)
    }
}

fn split(line: &[u8]) -> Result<(u16, bool, &[u8]), ReplyProblem> {
    if line.len() > LINE_BYTES_MAX {
        return Err(ReplyProblem::LineTooLong);
    }
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyProblem::NoCode)?;
    if !matches!(digits[0], b'2'..=b'5') || !digits[1..].iter().all(u8::is_ascii_digit) {
        return Err(ReplyProblem::NoCode);
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Ok((code, true, rest)),
        Some((b' ', text)) => Ok((code, true, text)),
        Some((b'-', text)) => Ok((code, false, text)),
        Some(_) => Err(ReplyProblem::NoCode),
    }
}

/// The relay's text as it may stand in an answer: no control character, whatever its bytes were.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<Option<(u16, usize)>, ReplyProblem>) {
        let found = Reply::parse(bytes).map(|found| found.map(|(reply, length)| (reply.code, length)));
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn replies_are_whole_bounded_and_of_one_code() {
        check(b"250 ok\r\n", Ok(Some((250, 8))));
        check(b"250\r\n", Ok(Some((250, 5))));
        check(b"250 ok\n", Ok(Some((250, 7))));
        check(b"250-a\r\n250 b\r\n354 go\r\n", Ok(Some((250, 14))));
        check(b"", Ok(None));
        check(b"250 ok", Ok(None));
        check(b"250-a\r\n25", Ok(None));
        check(b"250-a\r\n251 b\r\n", Err(ReplyProblem::Mixed));
        check(b"HTTP/1.1 400 Bad Request\r\n", Err(ReplyProblem::NoCode));
        check(b"150 x\r\n", Err(ReplyProblem::NoCode));
        check(b"2500 x\r\n", Err(ReplyProblem::NoCode));
        check(b"\r\n", Err(ReplyProblem::NoCode));
        check(&[b'2'; LINE_BYTES_MAX + 1], Err(ReplyProblem::LineTooLong));
        check("250-x\r\n".repeat(LINES_MAX).as_bytes(), Err(ReplyProblem::TooManyLines));
    }

    /// Bytes that often come near a reply.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let near = prop_oneof![
            Just(b"250 ".to_vec()),
            Just(b"250-".to_vec()),
            Just(b"550 ".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()),
            prop::collection::vec(any::<u8>(), 1..4),
        ];
        prop::collection::vec(near, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// Whatever a relay says, and however the network cuts it up: a reply is never read out of a part of it, and
        /// what was read does not change with what comes behind.
        #[test]
        fn a_reply_does_not_depend_on_how_its_bytes_arrive(bytes in bytes()) {
            let whole = Reply::parse(&bytes);
            for cut in 0..bytes.len() {
                let part = Reply::parse(&bytes[..cut]);
                match &whole {
                    Ok(Some((_, length))) if cut < *length => prop_assert_eq!(part, Ok(None)),
                    Ok(Some(_)) => prop_assert_eq!(&part, &whole),
                    Ok(None) => prop_assert_eq!(part, Ok(None)),
                    Err(_) => prop_assert!(part == Ok(None) || part == whole, "{:?}", part),
                }
            }
            if let Ok(Some((reply, _))) = whole {
                prop_assert!((200..600).contains(&reply.code));
                prop_assert!(!reply.text().chars().any(char::is_control), "{:?}", reply);
            }
        }
    }

    #[test]
    fn enhanced_codes_are_found_only_where_they_are() {
        let enhanced = |line: &str| {
            let (reply, _) = Reply::parse(format!("{line}\r\n").as_bytes()).unwrap().unwrap();
            reply.enhanced().map(str::to_owned)
        };
        assert_eq!(enhanced("550 5.1.1 No such user").as_deref(), Some(".1.1"));
        assert_eq!(enhanced("550 5.7.26 x\r\n").as_deref(), Some(".7.26"));
        for line in
            ["550 No such user", "550", "550 5.1 x", "550 1.2.3.4 x", "550 3.1.1 x", "550 5.1.1000 x", "550 192.0.2.1"]
        {
            assert_eq!(enhanced(line), None, "{line}");
        }
    }
}
