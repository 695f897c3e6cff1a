//! Mail addresses: which we accept, and which two are the same.

/// Why a text is no mail address; in words for the one who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// No `@`.
    #[error("has no @: a mail address is local@domain")]
    NoAt,
    /// Over 254 bytes (RFC 5321, 4.5.3.1.3 less the angle brackets).
    #[error("is longer than 254 bytes")]
    TooLong,
    /// The part before the `@` is empty, over 64 bytes, or has a character that needs quoting.
    #[error(
        "has a part before the @ that is empty, longer than 64 bytes, or has a character that is not allowed there"
    )]
    Local,
    /// The part after the `@` is no domain name.
    #[error("has a part after the @ that is not a domain name")]
    Domain,
}

/// Checks an address and brings it into the form that two equal ones share: the domain lower-cased, the
/// local part untouched (only its owner knows whether case matters there, RFC 5321, 2.4).
///
/// Accepts dot-atoms (RFC 5322, 3.2.3), text beyond ASCII on both sides (RFC 6531, 3.3), and domains of one label; refuses
/// quoted local parts, comments, address literals, domains without a form in ASCII (RFC 5891), and every control and
/// invisible character.
///
/// # Errors
/// What is wrong with it.
pub fn normalise(address: &str) -> Result<String, AddressProblem> {
    if address.is_empty() {
        return Err(AddressProblem::Empty);
    }
    if address.len() > 254 {
        return Err(AddressProblem::TooLong);
    }
    let (local, domain) = address.rsplit_once('@').ok_or(AddressProblem::NoAt)?;
    if local.len() > 64 || !local.split('.').all(is_atom) {
        return Err(AddressProblem::Local);
    }
    // First, because the small letter may be another one, or two.
    let domain = domain.to_lowercase();
    if domain.len() > 253 || !domain.split('.').all(is_label) || !has_ascii_form(&domain) {
        return Err(AddressProblem::Domain);
    }
    Ok(format!("{local}@{domain}"))
}

fn is_atom(atom: &str) -> bool {
    !atom.is_empty() && atom.chars().all(|c| is_letter(c) || "!#$%&'*+-/=?^_`{|}~".contains(c))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| (is_letter(c) && !OTHER_DOTS.contains(&c)) || c == '-')
}

/// What IDNA takes for a dot.
const OTHER_DOTS: [char; 3] = ['\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// A letter, a digit, or beyond ASCII whatever can be seen: marks are parts of words in many scripts.
fn is_letter(c: char) -> bool {
    match c {
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => false,
        _ => !c.is_control() && !c.is_whitespace(),
    }
}

fn has_ascii_form(domain: &str) -> bool {
    (domain.is_ascii() && !domain.contains("xn--")) || idna::domain_to_ascii(domain).is_ok()
}

/// Whether a normalised address matches one of `patterns`: `*`, `*@example.com`, or a whole address.
#[must_use]
pub fn is_allowed(address: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some("") => true,
        Some(ending) => address.ends_with(&ending.to_lowercase()),
        None => normalise(pattern).is_ok_and(|pattern| pattern == address),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Result<&str, AddressProblem>) {
        assert_eq!(normalise(address), expected.map(str::to_owned), "{address:?}");
    }

    #[test]
    fn addresses_are_accepted_or_refused_with_the_reason() {
        check("ada@example.com", Ok("ada@example.com"));
        check("Ada.Lovelace+x@EXAMPLE.Com", Ok("Ada.Lovelace+x@example.com"));
        check("root@localhost", Ok("root@localhost"));
        check("jürgen@münchen.example", Ok("jürgen@münchen.example"));
        check("हिन्दी@हिन्दी.com", Ok("हिन्दी@हिन्दी.com"));
        check("a@İstanbul.com", Ok("a@i\u{307}stanbul.com"));
        check("a@i\u{307}stanbul.com", Ok("a@i\u{307}stanbul.com"));
        check("a@xn--mnchen-3ya.example", Ok("a@xn--mnchen-3ya.example"));
        check("a@xn--a.com", Err(AddressProblem::Domain));
        check("a@xn--0.com", Err(AddressProblem::Domain));
        check("a@example\u{3002}com", Err(AddressProblem::Domain));
        check("a\u{202e}b@example.com", Err(AddressProblem::Local));
        check("a\u{a0}b@example.com", Err(AddressProblem::Local));
        check("", Err(AddressProblem::Empty));
        check("ada", Err(AddressProblem::NoAt));
        check("@example.com", Err(AddressProblem::Local));
        check("a..b@example.com", Err(AddressProblem::Local));
        check("a b@example.com", Err(AddressProblem::Local));
        check("a@b@example.com", Err(AddressProblem::Local));
        check("ada@example.com\r\nRCPT TO:<eve@example.com>", Err(AddressProblem::Local));
        check("ada@exa\0mple.com", Err(AddressProblem::Domain));
        check("ada@example.com\n", Err(AddressProblem::Domain));
        check("ada@-example.com", Err(AddressProblem::Domain));
        check("ada@example..com", Err(AddressProblem::Domain));
        check("ada@", Err(AddressProblem::Domain));
        check(&format!("{}@example.com", "a".repeat(65)), Err(AddressProblem::Local));
        check(&format!("a@{}", "b".repeat(260)), Err(AddressProblem::TooLong));
    }

    #[test]
    fn patterns_allow_all_a_domain_or_one_address() {
        let address = "ada@example.com";
        for (pattern, allowed) in [
            ("*", true),
            ("*@example.com", true),
            ("*@Example.com", true),
            ("ada@EXAMPLE.com", true),
            ("*@other.org", false),
            ("bob@example.com", false),
        ] {
            assert_eq!(is_allowed(address, &[pattern.to_owned()]), allowed, "{pattern}");
        }
        assert!(!is_allowed(address, &[]));
    }
}
