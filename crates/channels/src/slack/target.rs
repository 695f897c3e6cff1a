//! A destination, ready to be posted to; the one place that holds its URL and token.

use std::{fmt, net::IpAddr};

use postrider_domain::Secret;
use reqwest::{
    Client, RequestBuilder, Url,
    header::{AUTHORIZATION, HeaderValue},
};

use super::settings::SlackError;

/// What is talked to: the two have different replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Answers in words: `ok`, or a status and a code.
    Webhook,
    /// Answers 200 and JSON with `ok` in it.
    Api,
}

/// Shorter pieces of a URL are no secret, and taking them out of a reply would garble it.
const SECRET_PIECE_MIN: usize = 8;

pub(super) struct Target {
    url: Url,
    api: Option<Api>,
    /// What must not be seen in any text, longest first.
    secrets: Vec<Secret>,
}

struct Api {
    channel: String,
    /// Marked sensitive: its `Debug` is silent.
    authorization: HeaderValue,
}

impl Target {
    pub(super) fn webhook(destination: &str, url: &Secret) -> Result<Self, SlackError> {
        let text = url.reveal().trim();
        let failed = || SlackError::WebhookUrl { destination: destination.to_owned() };
        let url = http_url(text).ok_or_else(failed)?;
        let pieces = [text, url.path(), url.query().unwrap_or_default()].into_iter();
        let segments = url.path().rsplit('/');
        let mut secrets: Vec<&str> = pieces.chain(segments).filter(|piece| SECRET_PIECE_MIN <= piece.len()).collect();
        secrets.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        let secrets = secrets.into_iter().map(Secret::new).collect();
        Ok(Self { url, api: None, secrets })
    }

    pub(super) fn api(destination: &str, api_url: &str, channel: &str, token: &Secret) -> Result<Self, SlackError> {
        let url = http_url(&format!("{}/chat.postMessage", api_url.trim_end_matches('/')));
        let url = url.ok_or(SlackError::ApiUrl)?;
        let token = token.reveal().trim();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .ok()
            .filter(|_| !token.is_empty())
            .ok_or_else(|| SlackError::Token { destination: destination.to_owned() })?;
        authorization.set_sensitive(true);
        let api = Api { channel: channel.to_owned(), authorization };
        Ok(Self { url, api: Some(api), secrets: vec![Secret::new(token)] })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        if self.api.is_some() { Endpoint::Api } else { Endpoint::Webhook }
    }

    /// The Slack channel to name in the message; a webhook knows its own.
    pub(super) fn channel(&self) -> Option<&str> {
        self.api.as_ref().map(|api| api.channel.as_str())
    }

    pub(super) fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        let request = client.post(self.url.clone());
        match &self.api {
            Some(api) => request.header(AUTHORIZATION, api.authorization.clone()),
            None => request,
        }
    }

    /// The URL as it may be shown: a webhook's path is its credential.
    pub(super) fn shown(&self) -> String {
        match self.endpoint() {
            Endpoint::Api => self.url.to_string(),
            Endpoint::Webhook => format!("{}/***", self.url.origin().ascii_serialization()),
        }
    }

    /// `text` without our secrets, for the replies of ends that echo what they were sent.
    pub(super) fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "***"))
    }
}

/// A user name and password in it would be sent along as a credential; Slack has none of that kind.
fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (plain && matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.shown()).field("channel", &self.channel()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.slack.com/services/T00000000/B00000000/sesamesesame";

    #[test]
    fn a_webhook_shows_its_host_and_nothing_else() {
        let target = Target::webhook("ops", &Secret::new(URL)).unwrap();
        assert_eq!(target.shown(), "https://hooks.slack.com/***");
        assert!(!format!("{target:?}").contains("sesame"));
        assert_eq!(target.redact(&format!("cannot POST {URL}")), "cannot POST ***");
        assert_eq!(target.redact(r"no \/B00000000\/sesamesesame here"), r"no \/***\/*** here");
    }

    #[test]
    fn a_url_or_token_that_cannot_be_one_is_refused_without_quoting_it() {
        for url in ["", "sesamesesame", "ftp://hooks.slack.com/sesamesesame", "https://u:sesamesesame@slack.com/x"] {
            let error = Target::webhook("ops", &Secret::new(url)).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("sesame"), "{error:?}");
        }
        let error = Target::api("ops", "https://u:sesame@slack.com/api", "C1", &Secret::new("xoxb-1")).unwrap_err();
        assert!(!format!("{error}{error:?}").contains("sesame"), "{error:?}");
        for token in ["", "xoxb-sesame\r\nx: y"] {
            let error = Target::api("ops", "https://slack.com/api/", "C1", &Secret::new(token)).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("sesame"), "{error:?}");
        }
    }

    #[test]
    fn a_token_file_may_end_in_a_newline() {
        let target = Target::api("ops", "https://slack.com/api/", "C1", &Secret::new("xoxb-sesame\n")).unwrap();
        assert_eq!(target.shown(), "https://slack.com/api/chat.postMessage");
        assert_eq!(target.redact("who is xoxb-sesame?"), "who is ***?");
        assert!(!format!("{target:?}").contains("sesame"));
    }
}
