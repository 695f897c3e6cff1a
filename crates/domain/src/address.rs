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
/// Accepts dot-atoms (RFC 5322, 3.2.3), letters beyond ASCII on both sides, and domains of one label;
/// refuses quoted local parts, comments, address literals and every control character.
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
    if domain.len() > 253 || !domain.split('.').all(is_label) {
        return Err(AddressProblem::Domain);
    }
    Ok(format!("{local}@{}", domain.to_lowercase()))
}

fn is_atom(atom: &str) -> bool {
    !atom.is_empty() && atom.chars().all(|c| is_letter(c) || "!#$%&'*+-/=?^_`{|}~".contains(c))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| is_letter(c) || c == '-')
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric())
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
