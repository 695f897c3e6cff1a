//! `--url`, wherever it is taken.

use reqwest::Url;

use crate::failure::Failure;

/// An address that can be asked over HTTP; any other would fail only once it is used.
///
/// # Errors
/// A mistake on the command line.
pub(crate) fn http_url(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| Failure::usage(format!("--url {text:?} is no http(s) URL")))
}
