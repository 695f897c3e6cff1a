//! `[email]`: the mail server.

use std::path::PathBuf;

use postrider_domain::{Address, Secret, address};
use rustls::pki_types::ServerName;

use super::{Part, section::Section, values};

const TLS: &[(&str, Tls)] = &[("starttls", Tls::Starttls), ("implicit", Tls::Implicit), ("none", Tls::None)];

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Begun in the clear, then upgraded; refused where the server does not offer it.
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    None,
}

/// The mail server's settings.
#[derive(Debug, Clone)]
pub(crate) struct Email {
    /// Its name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How the connection is protected.
    pub(crate) tls: Tls,
    /// The certificate authorities to trust instead of the system's own.
    pub(crate) ca_file: Option<PathBuf>,
    /// User and password.
    pub(crate) credentials: Option<(String, Secret)>,
    /// The sender where the event names none.
    pub(crate) from: Address,
    /// Connections of one process.
    pub(crate) connections_max: usize,
    /// Patterns of addresses that may get mail.
    pub(crate) recipients_allowed: Vec<String>,
}

pub(super) fn read(section: Section<'_>, in_scope: bool) -> Part<Email> {
    let (configured, noted) = (section.has("host"), section.noted());
    if !configured && section.is_written() {
        // A `[email]` that someone filled in without its host is a mistake, not an absence; a pasted default is neither.
        for key in
            ["username", "password", "password_file", "from", "ca_file"].into_iter().filter(|key| section.has(key))
        {
            section.problem(key, "has no use without email.host: set that, or remove this");
        }
    }
    let email = read_server(&section, configured, in_scope).filter(|_| section.noted() == noted);
    section.finish();
    if configured { Part::of(email) } else { Part::Absent }
}

fn read_server(section: &Section<'_>, configured: bool, in_scope: bool) -> Option<Email> {
    let host = section.text("host");
    if host.as_ref().is_some_and(|host| ServerName::try_from(host.as_str()).is_err()) {
        section.problem("host", "must be a host's name or address alone; the port has a key of its own");
    }
    let port = section.integer("port", 1..=65_535);
    let tls = section.choice("tls", TLS);
    let insecure = section.flag("insecure").unwrap_or_default();
    if let (Some(host), Some(Tls::None)) = (&host, tls)
        && !values::is_loopback(host)
        && !insecure
    {
        section.problem(
            "tls",
            "must not be none for a server on another machine: use starttls or implicit, or set email.insecure = true",
        );
    }
    let ca_file = section.certificate_file("ca_file");
    let credentials = read_credentials(section, in_scope);
    let from = if configured {
        section.required("from", "mails need a sender, such as \"Shop <no-reply@example.com>\"")
    } else {
        section.text("from")
    };
    let from = from.and_then(|from| read_mailbox(section, &from));
    let connections_max = section.integer("connections_max", 1..=1_000);
    if section.integer("rate_per_second", 0..=1_000_000).is_some_and(|rate| rate != 0) {
        section.problem("rate_per_second", "other than 0 is not built yet: set it to 0");
    }
    let recipients_allowed = section.texts("recipients_allowed");
    for pattern in recipients_allowed.iter().flatten() {
        let valid = pattern == "*"
            || pattern.strip_prefix("*@").is_some_and(|domain| address::normalise(&format!("x@{domain}")).is_ok())
            || (!pattern.contains('*') && address::normalise(pattern).is_ok());
        if !valid {
            section.problem(
                "recipients_allowed",
                format_args!("has {pattern:?}: write \"*\", \"*@example.com\" or a whole address"),
            );
        }
    }
    Some(Email {
        host: host?,
        port: u16::try_from(port?).ok()?,
        tls: tls?,
        ca_file,
        credentials,
        from: from?,
        connections_max: usize::try_from(connections_max?).ok()?,
        recipients_allowed: recipients_allowed?,
    })
}

fn read_credentials(section: &Section<'_>, in_scope: bool) -> Option<(String, Secret)> {
    let username = section.text("username");
    let password = section.secret("password", in_scope);
    if section.has("username") && !section.has_secret("password") {
        section.problem("password", "is missing beside username: give password or password_file");
    }
    if section.has_secret("password") && !section.has("username") {
        section.problem("username", "is missing beside password");
    }
    Some((username?, password?))
}

/// `Name <local@domain>` or `local@domain`.
pub(crate) fn mailbox(text: &str) -> Result<Address, String> {
    let (name, bare) = match text.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, bare)) => (name.trim().trim_matches('"'), bare.trim()),
        None => ("", text.trim()),
    };
    if name.chars().any(char::is_control) {
        return Err("has a control character in the name".to_owned());
    }
    let address = address::normalise(bare)
        .map_err(|problem| format!("{problem}; write \"Name <local@domain>\" or \"local@domain\""))?;
    Ok(Address { address, name: (!name.is_empty()).then(|| name.to_owned()) })
}

fn read_mailbox(section: &Section<'_>, text: &str) -> Option<Address> {
    mailbox(text).map_err(|problem| section.problem("from", problem)).ok()
}
