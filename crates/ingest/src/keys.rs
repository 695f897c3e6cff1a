//! Whose request is this? API keys name the source.

use std::sync::Arc;

use axum::http::{HeaderMap, header::AUTHORIZATION};
use postrider_telemetry::http;
use sha2::{Digest, Sha256};

use crate::{
    refusal::Refusal,
    settings::{ApiKey, LOCAL_SOURCE},
};

/// The configured keys, as hashes: what a comparison's time could tell is nothing about the key.
pub(crate) struct Keys {
    keys: Vec<([u8; 32], Arc<str>)>,
    local: Arc<str>,
}

impl Keys {
    /// Takes the configured keys in.
    pub(crate) fn new(keys: &[ApiKey]) -> Self {
        let hashed = keys.iter().map(|key| (hash(key.key.reveal().as_bytes()), Arc::from(key.source.as_str())));
        Self { keys: hashed.collect(), local: Arc::from(LOCAL_SOURCE) }
    }

    /// Every source there can be: these are metric labels.
    pub(crate) fn sources(&self) -> Vec<Arc<str>> {
        if self.keys.is_empty() {
            return vec![Arc::clone(&self.local)];
        }
        self.keys.iter().map(|(_, source)| Arc::clone(source)).collect()
    }

    /// The source whose key the request carries. Without any configured key every request that names this machine is
    /// `local`: whoever is on it may write, a web page that its browser shows may not.
    pub(crate) fn source(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        if self.keys.is_empty() {
            return http::names_this_machine(headers).then(|| Arc::clone(&self.local));
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().filter(|_| values.next().is_none())?.as_bytes();
        let (scheme, key) = value.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return None;
        }
        let given = hash(key.trim_ascii());
        // Every key is compared, and each to its end.
        self.keys.iter().fold(
            None,
            |found, (known, source)| {
                if same(known, &given) { Some(Arc::clone(source)) } else { found }
            },
        )
    }

    /// What a request without a source is told.
    pub(crate) fn refusal(&self) -> Refusal {
        if self.keys.is_empty() { Refusal::Misdirected } else { Refusal::Unauthorized }
    }
}

fn hash(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use postrider_domain::Secret;

    use super::*;

    fn source(keys: &Keys, authorization: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        keys.source(&headers).map(|source| source.to_string())
    }

    #[test]
    fn hashes_that_differ_anywhere_are_not_the_same() {
        let hash = hash(b"key");
        assert!(same(&hash, &hash));
        for index in 0..hash.len() {
            let mut other = hash;
            other[index] ^= 1;
            assert!(!same(&hash, &other), "byte {index}");
        }
    }

    #[test]
    fn a_key_names_its_source_and_anything_else_names_none() {
        let key = |source: &str, key: &str| ApiKey { source: source.to_owned(), key: Secret::new(key) };
        let keys = Keys::new(&[key("shop", "first"), key("shop", "second"), key("billing", "third")]);
        assert_eq!(source(&keys, &["Bearer first"]).as_deref(), Some("shop"));
        assert_eq!(source(&keys, &["bearer second"]).as_deref(), Some("shop"));
        assert_eq!(source(&keys, &["Bearer third"]).as_deref(), Some("billing"));
        for wrong in
            [&[][..], &["Bearer "], &["Bearer firs"], &["Basic first"], &["first"], &["Bearer first", "Bearer first"]]
        {
            assert_eq!(source(&keys, wrong), None, "{wrong:?}");
        }
    }
}
