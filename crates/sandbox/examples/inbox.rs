//! An inbox page filled with sample mails and Slack messages, to look at while working on the page:
//! `cargo run -p postrider-sandbox --example inbox -- 8025` (no number: any free port; a second argument `empty`
//! leaves it empty, `flood` goes on filling it).

#[path = "../tests/samples/mod.rs"]
mod samples;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use postrider_sandbox::{CatchAll, Inbox, InboxLimits, InboxPage, SmtpLimits};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let what = std::env::args().nth(2).unwrap_or_default();
    // An example stands outside the program's own clock.
    #[allow(clippy::disallowed_methods)]
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(clock));
    let page = InboxPage::start(SocketAddr::from(([127, 0, 0, 1], port)), inbox.clone(), samples::CURL.into()).await?;
    let mail = CatchAll::start(SocketAddr::from(([127, 0, 0, 1], 0)), inbox.clone(), SmtpLimits::default()).await?;
    if what != "empty" {
        samples::fill(&inbox);
    }
    println!("{} takes mail at {}", page.url(), mail.address());
    loop {
        let pause = if what == "flood" { Duration::from_millis(10) } else { Duration::from_secs(3_600) };
        tokio::time::sleep(pause).await;
        (0..40).for_each(|n| samples::plain(&inbox, n));
    }
}
