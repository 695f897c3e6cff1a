//! How a delivery ends.

/// A delivery's final outcome. The name is the metric label and the word in receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The provider accepted it.
    Delivered,
    /// It will not be sent; the original lies in the dead-letter topic.
    Dead,
    /// The event's own `expires_at` passed first.
    Expired,
    /// Not allowed (`recipients_allowed`) or cancelled.
    Skipped,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Dead, Self::Expired, Self::Skipped];

    /// The name users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Skipped => "skipped",
        }
    }

    /// The outcome of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

macro_rules! dead_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why something lies in the dead-letter topic: a closed list, the `reason` label of
        /// `dead_letters_total`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DeadReason { $($(#[$doc])* $variant,)* }

        impl DeadReason {
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

dead_reasons! {
    /// The value carries none of the frames we read.
    Unframed = "unframed",
    /// The frame names a schema we do not know.
    UnknownSchema = "unknown_schema",
    /// The bytes do not decode under their schema, or the record is too large.
    Malformed = "malformed",
    /// No part of the event is for any configured lane.
    NoDeliveries = "no_deliveries",
    /// The event uses something that is not built, such as `template`.
    Unsupported = "unsupported",
    /// The recipient's address cannot be a mail address.
    InvalidAddress = "invalid_address",
    /// The event cannot be made into a message (a control character in a header, for example).
    InvalidMessage = "invalid_message",
    /// It stood in another partition than its key's, and that one would not take it.
    Misplaced = "misplaced",
    /// The Slack destination is not configured.
    UnknownDestination = "unknown_destination",
    /// The same event key came before with other content.
    KeyConflict = "key_conflict",
    /// Older than the dedupe window: it cannot be proven unsent.
    TooOld = "too_old",
    /// `not_before` lies further ahead than the events topic keeps the event.
    TooFarAhead = "too_far_ahead",
    /// The provider refused it for good.
    Rejected = "rejected",
    /// Transient failures went on until `give_up_after`.
    GaveUp = "gave_up",
    /// The provider's reply was lost more often than `unknown_retries` allows.
    Unknown = "unknown",
    /// The event was about to leave the events topic before it could be settled.
    Retention = "retention",
    /// The process died three times while sending it.
    CrashLoop = "crash_loop",
    /// A defect of Postrider: the attempt panicked.
    Bug = "bug",
}
