//! `[ingest]`: where the HTTP API listens, and who may write.

use std::{collections::BTreeMap, net::SocketAddr};

use postrider_domain::{Secret, limits::NAME_BYTES_MAX};

use super::{section::Section, values};

/// The HTTP API's settings.
#[derive(Debug, Clone)]
pub(crate) struct Ingest {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The largest body.
    pub(crate) body_max: u64,
    /// Who may write; empty only on loopback.
    pub(crate) keys: Vec<IngestKey>,
}

/// One upstream service's credential.
#[derive(Debug, Clone)]
pub(crate) struct IngestKey {
    /// The source it names.
    pub(crate) source: String,
    /// The key.
    pub(crate) key: Secret,
}

/// `admin` is where the admin listener of `postrider ingest` will be.
pub(super) fn read(section: Section<'_>, in_scope: bool, admin: Option<SocketAddr>) -> Option<Ingest> {
    let listen = section.socket_address("listen");
    let body_max = section.size("body_max", 1024..=64 * 1024 * 1024);
    let mut seen = BTreeMap::new();
    let sections = section.list_of_sections("keys");
    let given = sections.len();
    let keys: Vec<_> = sections.into_iter().filter_map(|key| read_key(key, in_scope, &mut seen)).collect();
    if in_scope && given == 0 && listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        section
            .problem("listen", "is open to others but there are no keys: add [[ingest.keys]], or listen on 127.0.0.1");
    }
    if in_scope
        && let Some((listen, admin)) = listen.zip(admin)
        && values::collide(listen, admin)
    {
        section.problem(
            "listen",
            format_args!("is where metrics and health are served, admin.listen = \"{admin}\": give one another port"),
        );
    }
    section.finish();
    (keys.len() == given).then_some(())?;
    Some(Ingest { listen: listen?, body_max: body_max?, keys })
}

fn read_key(section: Section<'_>, in_scope: bool, seen: &mut BTreeMap<String, String>) -> Option<IngestKey> {
    let source = section.required("source", "the key names its upstream service");
    let source = source.filter(|source| {
        let valid = values::is_name(source, NAME_BYTES_MAX);
        if !valid {
            section.problem("source", "must be up to 255 letters, digits and . _ -");
        }
        valid
    });
    if !section.has_secret("key") {
        section.problem("key", "is missing: give key or key_file");
    }
    let key = section.secret("key", in_scope);
    let name = if section.has("key_file") { "key_file" } else { "key" };
    if let Some(key) = &key
        && !key.reveal().chars().all(|c| c.is_ascii_graphic())
    {
        section.problem(name, "must be printable ASCII without spaces: it travels in a header");
    }
    if let (Some(key), Some(source)) = (&key, &source)
        && !key.reveal().is_empty()
        && let Some(other) = seen.insert(key.reveal().to_owned(), source.clone())
    {
        section.problem(name, format_args!("is also the key of source {other}: every entry needs a key of its own"));
    }
    section.finish();
    Some(IngestKey { source: source?, key: key? })
}
