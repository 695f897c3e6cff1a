//! How a subcommand ends when it does not succeed, and the one place that prints it.

use std::process::ExitCode;

use crate::{cli::LogFormat, config::Problems};

/// Why a subcommand ended without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong; nothing was done. Exit code 2.
    Usage(anyhow::Error),
    /// It was tried and failed. Exit code 1.
    Failed(anyhow::Error),
    /// It failed and everything worth saying was said already. Exit code 1.
    Reported,
}

impl Failure {
    /// A mistake on the command line.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(anyhow::Error::msg(text.into()))
    }

    /// 2 for what the user must mend before anything happens, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) | Self::Reported => ExitCode::from(1),
        }
    }

    /// One chain, `outer: middle: inner`, to stderr; where the logs are for a machine, as the last of them.
    pub(crate) fn print(&self, format: LogFormat) {
        let (Self::Usage(error) | Self::Failed(error)) = self else { return };
        // Where the logger itself could not be installed, a line that is not JSON is better than none.
        if format == LogFormat::Json && tracing::dispatcher::has_been_set() {
            tracing::error!(error = format!("{error:#}"), "the command failed");
        } else {
            eprintln!("postrider: {error:#}");
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.into())
    }
}
