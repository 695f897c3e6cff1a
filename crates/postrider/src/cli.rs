//! The command line, as clap sees it. Every subcommand's help ends with an example, and a test parses each of them.

mod url;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use postrider_telemetry::logging;

use crate::failure::Failure;

pub(crate) use url::http_url;

/// Version and revision, as `--version` prints them.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("POSTRIDER_REVISION"), ")");

/// Takes the sending of email and Slack messages out of an application's request path.
///
/// Exit codes: 0 done, 1 it failed, 2 usage or configuration. A first SIGTERM or SIGINT drains and exits 0 (`send` 1, where
/// something is not sent), a second exits at once.
#[derive(Debug, Parser)]
#[command(name = "postrider", version = VERSION, disable_help_subcommand = true, after_help = EXAMPLE_MAIN)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLE_MAIN: &str = "Example:\n  postrider dev --demo 50";

/// What every subcommand takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration file; without it ./postrider.toml, if it exists
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// How much is logged to stderr: error, warn, info, debug or trace; `ingest` and `process` log info, all others warn
    #[arg(long, value_name = "LEVEL", global = true, value_parser = ["error", "warn", "info", "debug", "trace"], hide_possible_values = true)]
    pub(crate) log_level: Option<String>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

impl Global {
    /// Installs the logger; `level` is for where the user named none.
    pub(crate) fn start_logging(&self, level: &str) -> Result<(), Failure> {
        let format = match self.log_format {
            LogFormat::Text => logging::Format::Text,
            LogFormat::Json => logging::Format::Json,
        };
        let level = self.log_level.as_deref().unwrap_or(level);
        logging::init(level, format).map_err(|error| Failure::Usage(error.into()))
    }
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process, with an in-process broker, a catch-all mail server and an inbox page
    #[command(after_help = "Example:\n  postrider dev --demo 50")]
    Dev(DevArgs),
    /// Run the HTTP API in front of Kafka
    #[command(after_help = "Example:\n  postrider ingest --config /etc/postrider.toml")]
    Ingest,
    /// Run the lanes: read events, deliver them, settle them
    #[command(after_help = "Example:\n  postrider process --lane email")]
    Process(ProcessArgs),
    /// Send one notification, or a file of them
    #[command(
        after_help = "Examples:\n  postrider send --email-to ada@example.com --subject Hello --text 'It works.'\n  postrider send --slack-to ops --text 'Order 1017 shipped' --event-key order-1017-shipped\n  postrider send --file events.ndjson"
    )]
    Send(Box<SendArgs>),
    /// Try a channel once, without Kafka, and show what the provider said
    #[command(after_help = "Examples:\n  postrider test email --to ada@example.com\n  postrider test slack ops")]
    Test {
        #[command(subcommand)]
        command: TestCommand,
    },
    /// Create or check the topics
    #[command(after_help = "Example:\n  postrider topics apply --dry-run")]
    Topics {
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Decide about offsets by hand
    #[command(after_help = "Example:\n  postrider offsets accept --lane email --partition 3")]
    Offsets {
        #[command(subcommand)]
        command: OffsetsCommand,
    },
    /// Check or show the configuration
    #[command(after_help = "Example:\n  postrider config check --config postrider.toml")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask the process on this machine whether it is ready; exits 0 or 1. For health checks where there is no shell
    #[command(after_help = "Examples:\n  postrider health\n  postrider health --url http://127.0.0.1:8025/")]
    Health(HealthArgs),
    /// Run the sandbox's catch-all Slack endpoint and its inbox page alone, beside a real Kafka
    #[command(after_help = "Example:\n  postrider sandbox --listen 127.0.0.1:8026")]
    Sandbox(SandboxArgs),
    /// Print a shell's completion script
    #[command(after_help = "Example:\n  postrider completions bash")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one per subcommand into a directory
    #[command(after_help = "Example:\n  postrider man target/man")]
    Man {
        /// Where to write them; it is created if it is missing
        directory: Option<PathBuf>,
    },
}

impl Command {
    /// Services log what happens; commands that print their result log only what is wrong.
    pub(crate) fn default_log_level(&self) -> &'static str {
        match self {
            Self::Ingest | Self::Process(_) => "info",
            Self::Dev(_)
            | Self::Send(_)
            | Self::Test { .. }
            | Self::Topics { .. }
            | Self::Offsets { .. }
            | Self::Config { .. }
            | Self::Health(_)
            | Self::Sandbox(_)
            | Self::Completions { .. }
            | Self::Man { .. } => "warn",
        }
    }
}

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Send N sample notifications, wait until all are settled, print a summary, exit 0 only if all were delivered
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) demo: Option<u32>,
    /// Port of the HTTP API, 8080 unless configured; 0 picks a free one
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    pub(crate) ingest_port: Option<u16>,
    /// Port of the inbox page; 0 picks a free one
    #[arg(long, value_name = "PORT", allow_negative_numbers = true, default_value_t = 8025)]
    pub(crate) inbox_port: u16,
    /// Port of the catch-all mail server; 0 picks a free one
    #[arg(long, value_name = "PORT", allow_negative_numbers = true, default_value_t = 1025)]
    pub(crate) smtp_port: u16,
    /// Port of metrics and health, 9464 unless configured; 0 picks a free one
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    pub(crate) admin_port: Option<u16>,
    /// Print the demo's summary as JSON
    #[arg(long, requires = "demo")]
    pub(crate) json: bool,
}

/// Arguments of `process`.
#[derive(Debug, Args)]
pub(crate) struct ProcessArgs {
    /// A lane to run, can be given several times; without it all configured ones
    #[arg(long = "lane", value_name = "NAME")]
    pub(crate) lanes: Vec<String>,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// A recipient's mail address; can be given several times
    #[arg(long, value_name = "ADDR", conflicts_with = "file")]
    pub(crate) email_to: Vec<String>,
    /// The mail's subject
    #[arg(long, requires = "email_to", conflicts_with = "file")]
    pub(crate) subject: Option<String>,
    /// The text of mail and Slack message
    #[arg(long, conflicts_with = "file")]
    pub(crate) text: Option<String>,
    /// The mail's HTML body
    #[arg(long, requires = "email_to", conflicts_with = "file")]
    pub(crate) html: Option<String>,
    /// A configured Slack destination; can be given several times
    #[arg(long, value_name = "DEST", conflicts_with = "file")]
    pub(crate) slack_to: Vec<String>,
    /// The event's key; made up if left out. The same key is sent once
    #[arg(long, value_name = "KEY", conflicts_with = "file")]
    pub(crate) event_key: Option<String>,
    /// The event's type
    #[arg(long = "type", value_name = "TYPE", default_value = "postrider.send")]
    pub(crate) event_type: String,
    /// Notifications as JSON, one a line, as for POST /v1/notifications; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The HTTP API; without it that of ingest.listen
    #[arg(long, value_name = "URL", conflicts_with = "kafka")]
    pub(crate) url: Option<String>,
    /// A file with the API key; or the variable POSTRIDER_API_KEY
    #[arg(long, value_name = "FILE", conflicts_with = "kafka")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Write to the events topic itself, not through HTTP
    #[arg(long)]
    pub(crate) kafka: bool,
    /// The source that the events name, with --kafka
    #[arg(long, value_name = "NAME", requires = "kafka", default_value_if("kafka", "true", "local"))]
    pub(crate) source: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// `test …`
#[derive(Debug, Subcommand)]
pub(crate) enum TestCommand {
    /// Send one mail now and show the dialogue with the mail server
    #[command(after_help = "Example:\n  postrider test email --to ada@example.com")]
    Email {
        /// Whom to
        #[arg(long, value_name = "ADDR")]
        to: String,
    },
    /// Send one Slack message now and show what Slack said
    #[command(after_help = "Example:\n  postrider test slack ops")]
    Slack {
        /// A configured destination
        #[arg(value_name = "DEST")]
        destination: String,
    },
}

/// `topics …`
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create what is missing and set what differs; never shrinks, deletes or adds partitions
    #[command(after_help = "Example:\n  postrider topics apply --dry-run")]
    Apply {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Compare the topics with what the promises need; exits 1 where they differ
    #[command(after_help = "Example:\n  postrider topics check --json")]
    Check {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// `offsets …`
#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsCommand {
    /// Release a partition that stopped at a gap: what vanished stays unsent
    #[command(after_help = "Example:\n  postrider offsets accept --lane email --partition 3 --execute")]
    Accept {
        /// The lane
        #[arg(long, value_name = "NAME")]
        lane: String,
        /// The partition that stopped
        #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(0..))]
        partition: i32,
        /// Do it; without this the plan is printed and nothing changes
        #[arg(long)]
        execute: bool,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Ask only whether the process works, not whether it can do its part
    #[arg(long)]
    pub(crate) live: bool,
    /// Ask this address; without it the admin listener: admin.listen, else port 9464, else 9465
    #[arg(long, value_name = "URL", conflicts_with = "live")]
    pub(crate) url: Option<String>,
}

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Where it listens: an address of this machine and a port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8025")]
    pub(crate) listen: SocketAddr,
    /// Allow an address that others can reach: they can read what was caught
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every problem at once; exits 2 if there is one
    #[command(after_help = "Example:\n  postrider config check --config postrider.toml")]
    Check,
    /// Print what is in force, file and environment together, secrets redacted
    #[command(after_help = "Example:\n  postrider config print --json")]
    Print {
        /// Print JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
    /// Print the commented default file
    #[command(after_help = "Example:\n  postrider config default")]
    Default,
}

#[cfg(test)]
mod tests;
