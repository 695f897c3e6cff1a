//! The one list of channels. Another one is a folder, a variant here and in
//! [`ChannelName`], a section of the configuration and a call to the contract tests.

use std::sync::Arc;

use postrider_domain::ChannelName;

use crate::{
    Channel,
    email::{EmailChannel, EmailError, EmailSettings},
    slack::{SlackChannel, SlackError, SlackSettings},
};

/// A configured channel, not yet made.
#[derive(Debug, Clone)]
pub enum ChannelSettings {
    /// Mail through an SMTP relay.
    Email(Box<EmailSettings>),
    /// Slack.
    Slack(SlackSettings),
}

/// Why a configured channel cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The email channel's reason.
    #[error("cannot set up the email channel")]
    Email(#[from] EmailError),
    /// The Slack channel's reason.
    #[error("cannot set up the Slack channel")]
    Slack(#[from] SlackError),
}

impl ChannelSettings {
    /// Which channel these are for.
    #[must_use]
    pub fn name(&self) -> ChannelName {
        match self {
            Self::Email(_) => ChannelName::Email,
            Self::Slack(_) => ChannelName::Slack,
        }
    }

    /// Makes the channel; opens no connection.
    ///
    /// # Errors
    /// What in its settings cannot work.
    pub fn make(self) -> Result<Arc<dyn Channel>, ChannelError> {
        Ok(match self {
            Self::Email(settings) => Arc::new(EmailChannel::new(*settings)?),
            Self::Slack(settings) => Arc::new(SlackChannel::new(&settings)?),
        })
    }
}
