//! What came back from one attempt, classified by the channel that can read it.

use std::time::Duration;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why an attempt failed: a closed list, the `reason` label of `attempt_failures_total`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name users see.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// No connection: refused, unreachable, or the name does not resolve.
    Connect = "connect",
    /// A deadline passed.
    Timeout = "timeout",
    /// The connection closed before the provider could have accepted anything.
    Disconnected = "disconnected",
    /// TLS could not be agreed, or the certificate does not fit.
    Tls = "tls",
    /// The credentials were refused, or are missing.
    Auth = "auth",
    /// The provider's bytes are not the protocol's.
    Protocol = "protocol",
    /// Too many messages for the provider's taste.
    RateLimited = "rate_limited",
    /// The provider has a fault of its own.
    Unavailable = "unavailable",
    /// The recipient's mailbox is full.
    MailboxFull = "mailbox_full",
    /// Greylisted or otherwise asked to come again.
    TryLater = "try_later",
    /// The recipient, channel or user does not exist or is archived.
    UnknownRecipient = "unknown_recipient",
    /// We may not write to this recipient or channel.
    Forbidden = "forbidden",
    /// The sender was refused.
    SenderRejected = "sender_rejected",
    /// Refused as spam or by policy.
    Policy = "policy",
    /// The message is too large for the provider.
    TooLarge = "too_large",
    /// The provider finds the message malformed.
    InvalidMessage = "invalid_message",
    /// The recipient's address is not one the provider can read.
    InvalidAddress = "invalid_address",
    /// The reply was lost after the whole message was handed over.
    LostReply = "lost_reply",
    /// The attempt panicked: a defect of Postrider.
    Bug = "bug",
    /// Anything else; the answer's text says what.
    Other = "other",
}

/// A failed attempt: why, and what the provider said. `answer` is cut to a few hundred characters, holds
/// no secret of ours, but may hold an address: it goes into receipts and dead letters, never into a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The closed reason.
    pub reason: Reason,
    /// The provider's words, or ours where it said nothing.
    pub answer: String,
    /// What the operator can do about it, in our words alone: this goes into the log.
    pub remedy: Option<String>,
    /// It was said when the recipient was named: it may concern that one alone.
    pub at_recipient: bool,
}

impl Failure {
    /// A failure with its answer cut to [`crate::limits::ANSWER_CHARS_MAX`].
    pub fn new(reason: Reason, answer: impl AsRef<str>) -> Self {
        Self { reason, answer: cut(answer.as_ref()), remedy: None, at_recipient: false }
    }

    /// Said when the recipient was named.
    #[must_use]
    pub fn at_recipient(self) -> Self {
        Self { at_recipient: true, ..self }
    }

    /// With what the operator can do about it: our words, never a provider's.
    #[must_use]
    pub fn with_remedy(self, remedy: impl AsRef<str>) -> Self {
        Self { remedy: Some(cut(remedy.as_ref())), ..self }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(crate::limits::ANSWER_CHARS_MAX).collect()
}

/// One attempt's answer. Only the channel can read its provider's reply, so only the channel classifies it;
/// what follows from the class is the lane's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Accepted: SMTP 2xx after the final dot on an undisturbed connection, or Slack's 200 with an ok body.
    Delivered {
        /// The provider's words.
        reply: String,
    },
    /// This attempt failed; a later one may succeed.
    Transient {
        /// What went wrong.
        failure: Failure,
        /// The provider's own hint. It lengthens our wait, never shortens it.
        retry_after: Option<Duration>,
    },
    /// The destination takes no more for now; it waits, the delivery is not to blame.
    Throttled {
        /// What the provider said.
        failure: Failure,
        /// For how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// This delivery will never succeed.
    Permanent {
        /// Why not.
        failure: Failure,
    },
    /// Ours to mend (credentials, TLS): stops the destination, burns no attempt.
    Misconfigured {
        /// What to mend.
        failure: Failure,
    },
    /// The provider may have accepted it: the reply was lost after the message was handed over.
    Unknown {
        /// How it was lost.
        failure: Failure,
    },
    /// The permit was refused; nothing that could reach the person was written.
    NotPermitted,
}

impl Answer {
    /// The `result` label of `attempts_total`; none for an attempt that was not permitted to begin.
    #[must_use]
    pub fn result(&self) -> Option<&'static str> {
        match self {
            Self::Delivered { .. } => Some("delivered"),
            Self::Transient { .. } => Some("transient"),
            Self::Throttled { .. } => Some("throttled"),
            Self::Permanent { .. } => Some("permanent"),
            Self::Misconfigured { .. } => Some("misconfigured"),
            Self::Unknown { .. } => Some("unknown"),
            Self::NotPermitted => None,
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Transient { failure, .. }
            | Self::Throttled { failure, .. }
            | Self::Permanent { failure }
            | Self::Misconfigured { failure }
            | Self::Unknown { failure } => Some(failure),
            Self::Delivered { .. } | Self::NotPermitted => None,
        }
    }
}

/// Every value of the `result` label of `attempts_total`.
pub const RESULTS: [&str; 6] = ["delivered", "transient", "throttled", "permanent", "misconfigured", "unknown"];
