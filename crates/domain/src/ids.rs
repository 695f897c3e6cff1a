//! Names: of channels, lanes and destinations.

use std::{fmt, sync::Arc};

/// A way of reaching people. The name is also the metric label, the configuration section and the
/// value in receipts and dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelName {
    /// Mail through an SMTP relay.
    Email,
    /// Slack, by incoming webhook or `chat.postMessage`.
    Slack,
}

impl ChannelName {
    /// Every channel there is.
    pub const ALL: [Self; 2] = [Self::Email, Self::Slack];

    /// The name users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
        }
    }

    /// The channel of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name as it is; whoever reads it from a user checks it first.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name users see.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A lane's name: part of its group (`<topic>.<lane>`) and of its ledger (`<topic>.<lane>.ledger`).
    LaneName
}
name! {
    /// What a channel talks to with one set of credentials: the mail relay, one Slack destination.
    DestinationName
}
