//! `[slack]` and `[slack.destinations.*]`.

use postrider_domain::{DestinationName, Secret};
use reqwest::Url;

use super::{Part, section::Section, values};

/// Slack's settings.
#[derive(Debug, Clone)]
pub(crate) struct Slack {
    /// Where the Web API is, without a slash at the end.
    pub(crate) api_url: String,
    /// What events may name in `slack.to`; at least one.
    pub(crate) destinations: Vec<SlackDestination>,
}

/// One destination.
#[derive(Debug, Clone)]
pub(crate) struct SlackDestination {
    /// What events call it.
    pub(crate) name: DestinationName,
    /// How it is reached.
    pub(crate) access: Access,
}

/// How a destination is reached.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// An incoming webhook; its URL is the secret.
    Webhook(Secret),
    /// `chat.postMessage` with a bot's token.
    Bot {
        /// The channel's id.
        channel: String,
        /// The bot's token.
        token: Secret,
    },
}

pub(super) fn read(section: Section<'_>, in_scope: bool) -> Part<Slack> {
    let noted = section.noted();
    let insecure = section.flag("insecure").unwrap_or_default();
    let api_url = section.text("api_url");
    let api_url = api_url.and_then(|url| check_url(&section, "api_url", &url, insecure));
    if section.integer("rate_per_second", 0..=1_000_000).is_some_and(|rate| rate != 0) {
        section.problem("rate_per_second", "other than 0 is not built yet: set it to 0");
    }
    let destinations = section.section("destinations").sections();
    let given = destinations.len();
    let destinations: Vec<_> = destinations
        .into_iter()
        .filter_map(|(name, destination)| read_destination(&name, destination, insecure, in_scope))
        .collect();
    let clean = section.noted() == noted;
    section.finish();
    if given == 0 {
        return Part::Absent;
    }
    Part::of(api_url.filter(|_| clean).map(|api_url| Slack { api_url, destinations }))
}

fn read_destination(name: &str, section: Section<'_>, insecure: bool, in_scope: bool) -> Option<SlackDestination> {
    let valid = values::is_lower_case_name(name, 64);
    if !valid {
        section.problem_here(
            "is no name for a destination: up to 64 of a-z, 0-9, _ and -, the first a letter or digit, \
             so that a variable of the environment can name it, too",
        );
    }
    let is_webhook = section.has_secret("webhook_url");
    let webhook = section.secret("webhook_url", in_scope);
    let channel = section.text("channel");
    let token = section.secret("token", in_scope);
    let is_bot = section.has("channel") || section.has_secret("token");
    match (is_webhook, is_bot) {
        (true, true) => {
            section.problem("webhook_url", "stands beside channel and token: a destination has the one or the other")
        }
        (false, false) => {
            section.problem("webhook_url", "is missing: give webhook_url, or channel and token, or their _file form")
        }
        (false, true) if !section.has("channel") => section.problem("channel", "is missing beside token"),
        (false, true) if !section.has_secret("token") => {
            section.problem("token", "is missing beside channel: give token or token_file")
        }
        (true, false) | (false, true) => {}
    }
    if let Some(token) = &token
        && !token.reveal().trim().chars().all(|c| c.is_ascii_graphic())
    {
        let key = if section.has("token_file") { "token_file" } else { "token" };
        section.problem(key, "must be one line of printable ASCII without spaces: copy it again from Slack");
    }
    let access = if is_webhook {
        let key = if section.has("webhook_url_file") { "webhook_url_file" } else { "webhook_url" };
        webhook
            .filter(|url| url.reveal().is_empty() || check_url(&section, key, url.reveal(), insecure).is_some())
            .map(Access::Webhook)
    } else {
        channel.zip(token).map(|(channel, token)| Access::Bot { channel, token })
    };
    section.finish();
    Some(SlackDestination { name: DestinationName::new(name), access: access.filter(|_| valid)? })
}

/// The problem never shows the URL: a webhook's is a secret.
fn check_url(section: &Section<'_>, key: &str, text: &str, insecure: bool) -> Option<String> {
    let url = Url::parse(text.trim()).ok().filter(|url| url.host_str().is_some());
    let problem = match &url {
        None => Some("is no URL: it begins with https:// and a host"),
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("must have no user and password before its host: Slack knows none, and it would show in logs")
        }
        Some(url) => match (url.scheme(), url.host_str()) {
            ("https", _) => None,
            ("http", Some(host)) if insecure || values::is_loopback(host) => None,
            ("http", _) => Some("must be https: plain http is for this machine only, or with slack.insecure = true"),
            _ => Some("must be an https URL"),
        },
    };
    match problem {
        Some(problem) => {
            section.problem(key, problem);
            None
        }
        None => Some(text.trim().trim_end_matches('/').to_owned()),
    }
}
