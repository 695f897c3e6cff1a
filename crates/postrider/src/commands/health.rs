//! `postrider health`: asks a running process how it is. An image without a shell has its health check in this.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use reqwest::{Response, Url, redirect::Policy};

use crate::{
    cli::{Global, HealthArgs, http_url},
    config::{Config, Scope},
    failure::Failure,
    output, wiring,
};

/// The answer comes from memory; one that takes longer is no sign of health.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Of the answer's text, which is shown.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Success if the process says 2xx.
pub(crate) fn run(args: &HealthArgs, global: &Global) -> Result<(), Failure> {
    let urls = match &args.url {
        Some(text) => vec![http_url(text)?],
        None => {
            let config = Config::load(global.config.as_deref(), Scope::NONE)?;
            let path = if args.live { "healthz" } else { "readyz" };
            let urls = admin_addresses(config.admin_listen).into_iter().map(|at| format!("http://{at}/{path}").parse());
            urls.collect::<Result<_, _>>().context("cannot make the URL of the admin listener")?
        }
    };
    Ok(wiring::runtime()?.block_on(ask(&urls))?)
}

/// Where an admin listener of this machine may be; that of `process` first.
fn admin_addresses(configured: Option<SocketAddr>) -> Vec<SocketAddr> {
    let Some(mut listen) = configured else {
        return [wiring::ADMIN_PORT, wiring::ADMIN_PORT + 1].map(|port| (Ipv4Addr::LOCALHOST, port).into()).to_vec();
    };
    match listen {
        SocketAddr::V4(at) if at.ip().is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(at) if at.ip().is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    vec![listen]
}

/// The first that can be connected to decides.
async fn ask(urls: &[Url]) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(Policy::none()).build();
    let http = http.context("cannot set up the HTTP client")?;
    for url in urls {
        match http.get(url.clone()).send().await {
            Ok(answer) => return judge(url, answer).await,
            Err(error) if error.is_connect() => {}
            Err(error) => return Err(error.without_url()).with_context(|| format!("{url} does not answer")),
        }
    }
    let places: Vec<_> = urls.iter().map(Url::as_str).collect();
    bail!("nothing listens at {}: is `postrider process` or `postrider ingest` running here?", places.join(" or "))
}

async fn judge(url: &Url, mut answer: Response) -> anyhow::Result<()> {
    let status = answer.status();
    let mut body = Vec::new();
    while body.len() < TEXT_BYTES_MAX
        && let Some(chunk) = answer.chunk().await.with_context(|| format!("{url} broke off its answer"))?
    {
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return output::print("ok\n");
    }
    body.truncate(TEXT_BYTES_MAX);
    let text = String::from_utf8_lossy(&body);
    let reasons: Vec<_> = text.lines().map(output::visible).collect();
    bail!("{url} says {status}: {}", reasons.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_listener_is_looked_for_on_this_machine() {
        let places = |configured: Option<&str>| {
            let places = admin_addresses(configured.map(|at| at.parse().expect("an address")));
            places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(places(None), "127.0.0.1:9464 127.0.0.1:9465");
        assert_eq!(places(Some("0.0.0.0:7000")), "127.0.0.1:7000");
        assert_eq!(places(Some("[::]:7000")), "[::1]:7000");
        assert_eq!(places(Some("10.0.0.7:7000")), "10.0.0.7:7000");
    }
}
