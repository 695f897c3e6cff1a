//! `postrider sandbox`: the catch-all Slack endpoint and the inbox page alone, for set-ups with a real Kafka.

use std::sync::Arc;

use anyhow::Context;
use postrider_sandbox::{Inbox, InboxLimits, InboxPage};
use postrider_telemetry::clock;

use crate::{cli::SandboxArgs, failure::Failure, output, signals::Shutdown, wiring};

/// Runs until it is asked to stop; then what it caught is gone.
pub(crate) fn run(args: &SandboxArgs) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() && !args.insecure {
        return Err(Failure::usage(format!(
            "--listen {}: others could read there what was caught; use 127.0.0.1, or allow it with --insecure",
            args.listen
        )));
    }
    Ok(wiring::runtime()?.block_on(serve(args))?)
}

async fn serve(args: &SandboxArgs) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen()?;
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| clock::wall().0));
    let curl = format!(
        "  curl http://localhost:{}/slack/webhook/ops -H 'content-type: application/json' -d '{{\"text\": \"It works.\"}}'",
        args.listen.port()
    );
    let page = InboxPage::start_anywhere(args.listen, inbox, curl).await.context("--listen")?;
    output::print(&format!(
        "Slack's catch-all is running; what it catches is forgotten when it ends.\n\n\
         \x20 Inbox    {}\n\
         \x20 Webhook  {}   any name; slack.destinations.<name>.webhook_url\n\
         \x20 Web API  {}        slack.api_url; any token\n",
        page.url(),
        page.slack_webhook_url("ops"),
        page.slack_api_url(),
    ))?;
    shutdown.requested().await;
    Ok(())
}
