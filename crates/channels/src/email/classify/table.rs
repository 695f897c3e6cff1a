//! The table of replies: stage, code, signs in the text, and what they mean.

use std::ops::RangeInclusive;

use postrider_domain::Reason;

use crate::email::{fault::Stage, reply::Reply};

/// The class of a reply; `Sender` is decided by whose sender it was: the configured one is everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Transient,
    Throttled,
    Permanent,
    Misconfigured,
    Sender,
    Unknown,
}

struct Rule {
    /// Empty: at any stage.
    at: &'static [Stage],
    codes: RangeInclusive<u16>,
    /// Empty: whatever it says. `.5.3` is an enhanced code without its class, the rest is looked for in the
    /// lower-cased text.
    signs: &'static [&'static str],
    class: Class,
    reason: Reason,
}

const ANY: &[Stage] = &[];
const SAY: &[&str] = &[];
const BEFORE_MAIL: &[Stage] = &[Stage::Connect, Stage::Greeting, Stage::Ehlo];
const ENVELOPE: &[Stage] = &[Stage::Mail, Stage::Rcpt];
const MESSAGE: &[Stage] = &[Stage::Data, Stage::Body, Stage::Reply];

const fn rule(
    at: &'static [Stage],
    codes: RangeInclusive<u16>,
    signs: &'static [&'static str],
    class: Class,
    reason: Reason,
) -> Rule {
    Rule { at, codes, signs, class, reason }
}

const THROTTLED: &[&str] = &[
    "throttl",
    "too many connections",
    "too many concurrent",
    "too many messages",
    "too much mail",
    "rate limit",
    "rate-limit",
    "ratelimit",
    "rate exceeded",
    "sending rate",
    "connection rate",
    "connection limit",
    "connections limit exceeded",
    "thread limit exceeded",
    "message quota",
];
const SENDING_QUOTA: &[&str] = &[
    "daily user sending",
    "daily sending",
    "daily limit",
    "relay limit exceeded",
    "sending limit exceeded",
    "submission quota",
    "message quota",
];
const MAILBOX_FULL: &[&str] = &[".2.2", "mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded"];
const GREYLISTED: &[&str] = &["greylist", "graylist", "grey-list", "try again later", "try later"];
const NO_SPACE: &[&str] =
    &[".3.1", "insufficient system storage", "insufficient storage", "disk full", "out of memory"];
const TOO_LARGE: &[&str] = &[".3.4", "too large", "too big", "size limit", "maximum size", "message size", "too long"];
const NO_AUTH: &[&str] = &[
    "authentication required",
    "authentication is required",
    "must authenticate",
    "authenticate first",
    "not authenticated",
    "auth first",
    "need auth",
];
/// About this machine; Postfix says it when a recipient is named, unless it is told otherwise (`smtpd_delay_reject`).
const CLIENT: &[&str] = &["client host", "helo command", "ehlo command", "blocked using"];
const NO_SEND_AS: &[&str] = &[".7.60", ".2.252", "send as this sender", "sendasdenied"];
/// As it is read: names are masked.
const NAMED_SENDER: &str = "sender address * blocked";
const SENDER: &[&str] =
    &[".1.7", ".1.8", "sender address rejected", "sender rejected", "sender denied", "bad sender", NAMED_SENDER];
const NO_RELAY: &[&str] =
    &["relay access denied", "relaying denied", "unable to relay", "relay not permitted", "not relay"];
const SPAM: &[&str] =
    &["spam", "virus", "blocked", "blacklist", "blocklist", "policy", "reputation", "malware", "unsolicited"];
const NO_USER: &[&str] = &[
    ".1.1",
    ".1.2",
    ".1.6",
    ".1.10",
    ".2.1",
    "user unknown",
    "unknown user",
    "no such user",
    "does not exist",
    "unknown recipient",
    "no mailbox here",
    "recipient not found",
    "invalid recipient",
    "disabled",
];

use Class::{Misconfigured, Permanent, Sender, Throttled, Transient};

#[rustfmt::skip]
const RULES: &[Rule] = &[
    // Ours to mend, at any stage.
    rule(ANY, 530..=538, &["starttls", "encryption required", "tls required", "must use tls"], Misconfigured, Reason::Tls),
    rule(&[Stage::Auth], 400..=499, &["temporar", ".7.0", "try again"], Transient, Reason::Unavailable),
    // X.2.x is about one mailbox (RFC 3463, 3.3): its limits must not hold up everybody's mail.
    rule(ANY, 400..=499, &[".2.2"], Transient, Reason::MailboxFull),
    rule(ANY, 400..=499, &[".2.1"], Transient, Reason::TryLater),
    rule(ANY, 400..=499, THROTTLED, Throttled, Reason::RateLimited),
    rule(&[Stage::Auth], 432..=432, SAY, Misconfigured, Reason::Auth),
    rule(&[Stage::Auth], 400..=499, SAY, Transient, Reason::Unavailable),
    rule(&[Stage::Auth], 500..=599, SAY, Misconfigured, Reason::Auth),
    rule(&[Stage::Tls], 400..=499, SAY, Transient, Reason::Tls),
    rule(&[Stage::Tls], 500..=599, SAY, Misconfigured, Reason::Tls),
    // RCPT: a sender that is looked at only now; credentials; and a recipient that is not served, if nothing is said of them.
    rule(&[Stage::Rcpt], 500..=599, SENDER, Sender, Reason::SenderRejected),
    rule(ANY, 530..=530, SAY, Misconfigured, Reason::Auth),
    rule(ANY, 534..=535, SAY, Misconfigured, Reason::Auth),
    rule(ANY, 538..=538, SAY, Misconfigured, Reason::Tls),
    // A list or mailbox that takes mail from its own organisation only asks in the same words.
    rule(&[Stage::Rcpt], 500..=599, &[".7.133", ".7.134", ".7.136"], Permanent, Reason::Forbidden),
    rule(ENVELOPE, 500..=599, NO_AUTH, Misconfigured, Reason::Auth),
    rule(&[Stage::Rcpt], 500..=599, NO_RELAY, Permanent, Reason::Forbidden),
    // Lists of bad domains are asked about all three: this machine, the sender, the recipient.
    rule(&[Stage::Mail], 504..=599, &[NAMED_SENDER], Sender, Reason::SenderRejected),
    rule(&[Stage::Rcpt], 500..=599, &["recipient address * blocked"], Permanent, Reason::Policy),
    rule(ENVELOPE, 400..=499, CLIENT, Transient, Reason::Unavailable),
    rule(ENVELOPE, 500..=599, CLIENT, Misconfigured, Reason::Forbidden),
    rule(BEFORE_MAIL, 400..=499, SAY, Transient, Reason::Unavailable),
    rule(&[Stage::Ehlo], 500..=500, SAY, Misconfigured, Reason::Protocol),
    rule(&[Stage::Ehlo], 502..=502, SAY, Misconfigured, Reason::Protocol),
    rule(BEFORE_MAIL, 500..=599, SAY, Misconfigured, Reason::Forbidden),
    // The relay lost its place or does not know a command that it must know: the conversation is broken, not the mail.
    rule(&[Stage::Mail, Stage::Rcpt, Stage::Data], 500..=500, SAY, Transient, Reason::Protocol),
    rule(ANY, 502..=503, SAY, Transient, Reason::Protocol),
    // Limits of ours at the relay, said with a 5xx; and of one mailbox, which has codes of its own.
    rule(&[Stage::Rcpt, Stage::Reply], 500..=599, &[".2.1"], Permanent, Reason::UnknownRecipient),
    rule(&[Stage::Rcpt, Stage::Reply], 500..=599, &[".2.2"], Permanent, Reason::MailboxFull),
    rule(ANY, 500..=599, SENDING_QUOTA, Throttled, Reason::RateLimited),
    // Storage, size and full mailboxes mean the same wherever they are said.
    rule(ANY, 421..=421, SAY, Transient, Reason::Unavailable),
    rule(ANY, 400..=499, MAILBOX_FULL, Transient, Reason::MailboxFull),
    rule(ANY, 400..=499, NO_SPACE, Transient, Reason::Unavailable),
    rule(ANY, 500..=599, TOO_LARGE, Permanent, Reason::TooLarge),
    rule(ANY, 550..=554, MAILBOX_FULL, Permanent, Reason::MailboxFull),
    // MAIL: the sender.
    rule(&[Stage::Mail], 400..=499, SENDER, Transient, Reason::SenderRejected),
    rule(&[Stage::Mail], 400..=499, SAY, Transient, Reason::Unavailable),
    rule(&[Stage::Mail], 500..=599, SENDER, Sender, Reason::SenderRejected),
    rule(&[Stage::Mail], 500..=599, THROTTLED, Throttled, Reason::RateLimited),
    rule(&[Stage::Mail], 500..=599, &[".5.4"], Sender, Reason::Protocol),
    rule(&[Stage::Mail], 504..=504, SAY, Sender, Reason::Protocol),
    rule(&[Stage::Mail], 555..=555, SAY, Sender, Reason::Protocol),
    rule(&[Stage::Mail], 552..=552, SAY, Permanent, Reason::TooLarge),
    rule(&[Stage::Mail], 500..=599, SAY, Sender, Reason::SenderRejected),
    // RCPT: the recipient.
    rule(&[Stage::Rcpt], 400..=499, GREYLISTED, Transient, Reason::TryLater),
    rule(&[Stage::Rcpt], 400..=499, SENDER, Transient, Reason::SenderRejected),
    rule(&[Stage::Rcpt], 400..=499, SAY, Transient, Reason::TryLater),
    rule(&[Stage::Rcpt], 500..=599, NO_USER, Permanent, Reason::UnknownRecipient),
    rule(&[Stage::Rcpt], 500..=599, &[".1.3", "bad address syntax", "invalid address"], Permanent, Reason::InvalidAddress),
    rule(&[Stage::Rcpt], 500..=599, SPAM, Permanent, Reason::Policy),
    rule(&[Stage::Rcpt], 500..=599, &[".7.1", "not allowed", "access denied", "prohibited"], Permanent, Reason::Forbidden),
    rule(&[Stage::Rcpt], 550..=551, SAY, Permanent, Reason::UnknownRecipient),
    rule(&[Stage::Rcpt], 556..=556, SAY, Permanent, Reason::UnknownRecipient), // its domain takes no mail (RFC 7504)
    rule(&[Stage::Rcpt], 552..=552, SAY, Permanent, Reason::MailboxFull),
    rule(&[Stage::Rcpt], 501..=501, SAY, Permanent, Reason::InvalidAddress),
    rule(&[Stage::Rcpt], 553..=553, SAY, Permanent, Reason::InvalidAddress),
    rule(&[Stage::Rcpt], 554..=554, SAY, Permanent, Reason::Policy),
    // DATA and the message itself.
    rule(MESSAGE, 400..=499, GREYLISTED, Transient, Reason::TryLater),
    rule(MESSAGE, 400..=499, SAY, Transient, Reason::Unavailable),
    rule(MESSAGE, 500..=599, NO_SEND_AS, Sender, Reason::SenderRejected),
    rule(MESSAGE, 500..=599, &["sender address rejected", ".1.8"], Sender, Reason::SenderRejected),
    // SES says it of a recipient, too, while an account is on probation.
    rule(MESSAGE, 500..=599, &["not verified"], Permanent, Reason::SenderRejected),
    rule(MESSAGE, 500..=599, NO_USER, Permanent, Reason::UnknownRecipient),
    rule(MESSAGE, 500..=599, &[".6.0", ".6.1", ".6.3", ".6.9", "bare lf", "malformed", "header"], Permanent, Reason::InvalidMessage),
    rule(MESSAGE, 552..=552, SAY, Permanent, Reason::TooLarge),
    rule(MESSAGE, 550..=554, SAY, Permanent, Reason::Policy),
    // Whatever is left.
    rule(ANY, 400..=499, SAY, Transient, Reason::Other),
    rule(ANY, 500..=599, SAY, Permanent, Reason::Other),
    // 2xx or 3xx where it makes no sense: after the final dot nobody knows what it means.
    rule(&[Stage::Reply], 200..=399, SAY, Class::Unknown, Reason::LostReply),
    rule(ANY, 200..=399, SAY, Transient, Reason::Protocol),
];

/// What a reply that is not the one we need means at this stage.
pub(super) fn judge(stage: Stage, reply: &Reply) -> (Class, Reason) {
    let text = without_names(&reply.text().to_lowercase());
    let enhanced = reply.enhanced();
    let fits = |rule: &&Rule| {
        (rule.at.is_empty() || rule.at.contains(&stage))
            && rule.codes.contains(&reply.code)
            && (rule.signs.is_empty() || rule.signs.iter().any(|sign| says(sign, enhanced, &text)))
    };
    RULES.iter().find(fits).map_or((Class::Transient, Reason::Protocol), |rule| (rule.class, rule.reason))
}

/// Whether this is how a relay refuses a MAIL with SMTPUTF8 because of that: RFC 6531, 3.5, has a code for it, others do
/// not take the parameter. Not where it speaks of the sender, of credentials or of this machine: that concerns everybody.
pub(in crate::email) fn refuses_utf8(reply: &Reply) -> bool {
    let text = without_names(&reply.text().to_lowercase());
    let enhanced = reply.enhanced();
    let about_us = [SENDER, NO_AUTH, CLIENT].into_iter().flatten().any(|sign| says(sign, enhanced, &text));
    match reply.code {
        550 | 553 | 554 => enhanced == Some(".6.7"),
        501 | 504 | 555 => !about_us,
        _ => false,
    }
}

/// The text without the addresses, domains and links in it: a relay quotes the recipient, and whoever chooses an address
/// such as `throttle@example.com` must not choose the class as well.
fn without_names(text: &str) -> String {
    let is_name = |word: &str| word.contains('@') || word.trim_matches(|c: char| !c.is_alphanumeric()).contains('.');
    text.split(' ').map(|word| if is_name(word) { "*" } else { word }).collect::<Vec<_>>().join(" ")
}

fn says(sign: &str, enhanced: Option<&str>, text: &str) -> bool {
    if sign.starts_with('.') { enhanced == Some(sign) } else { text.contains(sign) }
}
