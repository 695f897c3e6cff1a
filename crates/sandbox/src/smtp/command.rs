//! One line of a client, understood.

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo,
    Helo,
    Mail { from: String, size: Option<usize> },
    Rcpt { to: String },
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
}

/// The reply to a line that is no command of ours.
pub(super) type Refusal = &'static str;

const SYNTAX: Refusal = "501 5.5.4 not understood: MAIL FROM:<address> and RCPT TO:<address>, please";

/// Reads one line, without its end.
pub(super) fn parse(line: &[u8]) -> Result<Command, Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| "500 5.5.2 not UTF-8")?;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" if rest.is_empty() => Err("501 5.5.4 EHLO wants a name"),
        "EHLO" => Ok(Command::Ehlo),
        "HELO" if rest.is_empty() => Err("501 5.5.4 HELO wants a name"),
        "HELO" => Ok(Command::Helo),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" if rest.is_empty() => Ok(Command::Data),
        "DATA" => Err("501 5.5.4 DATA stands alone"),
        "RSET" => Ok(Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        "QUIT" => Ok(Command::Quit),
        "AUTH" | "STARTTLS" | "EXPN" | "BDAT" | "ETRN" | "TURN" => Err("502 5.5.1 not offered here"),
        _ => Err("500 5.5.2 unknown command"),
    }
}

fn mail(rest: &str) -> Result<Command, Refusal> {
    let (from, parameters) = path(rest, "FROM:")?;
    let mut size = None;
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => size = Some(value.parse().map_err(|_| "501 5.5.4 SIZE wants a number")?),
            "BODY" if ["7BIT", "8BITMIME"].iter().any(|known| value.eq_ignore_ascii_case(known)) => {}
            "SMTPUTF8" if value.is_empty() => {}
            _ => return Err("555 5.5.4 unknown parameter of MAIL"),
        }
    }
    Ok(Command::Mail { from, size })
}

fn rcpt(rest: &str) -> Result<Command, Refusal> {
    let (to, parameters) = path(rest, "TO:")?;
    if to.is_empty() {
        return Err("501 5.1.3 an empty recipient");
    }
    if !parameters.trim().is_empty() {
        return Err("555 5.5.4 unknown parameter of RCPT");
    }
    Ok(Command::Rcpt { to })
}

/// `FROM:<address> parameters`: the address and what follows it.
fn path<'a>(rest: &'a str, prefix: &str) -> Result<(String, &'a str), Refusal> {
    let start = rest.get(..prefix.len()).ok_or(SYNTAX)?;
    if !start.eq_ignore_ascii_case(prefix) {
        return Err(SYNTAX);
    }
    let rest = rest[prefix.len()..].trim_start().strip_prefix('<').ok_or(SYNTAX)?;
    let end = closing_bracket(rest).ok_or(SYNTAX)?;
    let address = &rest[..end];
    if address.chars().any(char::is_control) {
        return Err("501 5.1.3 a control character in an address");
    }
    Ok((address.to_owned(), &rest[end + 1..]))
}

/// The first `>` that does not stand in a quoted local part.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_refused() {
        let mail = |from: &str, size| Ok(Command::Mail { from: from.to_owned(), size });
        let rcpt = |to: &str| Ok(Command::Rcpt { to: to.to_owned() });
        for (line, expected) in [
            ("EHLO shop.example", Ok(Command::Ehlo)),
            ("ehlo x", Ok(Command::Ehlo)),
            ("EHLO", Err("501")),
            ("MAIL FROM:<a@example.com>", mail("a@example.com", None)),
            ("mail from:<a@example.com> size=12 BODY=8BITMIME SMTPUTF8", mail("a@example.com", Some(12))),
            ("MAIL FROM: <a@example.com>", mail("a@example.com", None)),
            ("MAIL FROM:<>", mail("", None)),
            ("MAIL FROM:<a@example.com> X=1", Err("555")),
            ("MAIL FROM:<a@example.com> SIZE=big", Err("501")),
            ("MAIL FROM:a@example.com", Err("501")),
            ("MAIL FRÖM:<a@example.com>", Err("501")),
            ("RCPT TO:<\"a>b\"@example.com>", rcpt("\"a>b\"@example.com")),
            ("RCPT TO:<jürgen@münchen.example>", rcpt("jürgen@münchen.example")),
            ("RCPT TO:<a\u{7}@example.com>", Err("501")),
            ("RCPT TO:<>", Err("501")),
            ("RCPT TO:<a@example.com", Err("501")),
            ("DATA", Ok(Command::Data)),
            ("DATA now", Err("501")),
            ("STARTTLS", Err("502")),
            ("GET / HTTP/1.1", Err("500")),
            ("", Err("500")),
        ] {
            let parsed = parse(line.as_bytes()).map_err(|refusal| &refusal[..3]);
            assert_eq!(parsed, expected, "{line}");
        }
    }
}
