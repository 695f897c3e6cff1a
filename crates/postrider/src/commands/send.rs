//! `postrider send`: one notification from the command line, or a file of them.
//!
//! Everything goes through the HTTP API. `--kafka` starts one in this process, on loopback, in front of the configured
//! cluster: so what is checked, and how it is written, is the same on both ways.

mod client;
mod file;
mod gateway;
mod lines;
mod single;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use anyhow::Context;
use postrider_domain::Secret;
use reqwest::Url;

use crate::{
    cli::{Global, SendArgs, http_url},
    config::{Config, Scope},
    failure::Failure,
    signals::Shutdown,
    wiring,
};

pub(crate) use client::{Client, problem};
use gateway::Gateway;

/// Where an API key can come from besides a file.
const KEY_VARIABLE: &str = "POSTRIDER_API_KEY";

/// Sends; success only if everything was accepted.
pub(crate) fn run(args: &SendArgs, global: &Global) -> Result<(), Failure> {
    if args.file.is_none() && args.email_to.is_empty() && args.slack_to.is_empty() {
        return Err(Failure::usage("nothing to send: give --email-to, --slack-to or --file"));
    }
    let config = Config::load(global.config.as_deref(), if args.kafka { Scope::KAFKA } else { Scope::NONE })?;
    let single = single::body(args)?;
    let key = if args.kafka { None } else { api_key(args.api_key_file.as_deref())? };
    wiring::runtime()?.block_on(async {
        let shutdown = Shutdown::listen()?;
        let gateway = if args.kafka { Some(Gateway::start(&config, args.source.as_deref()).await?) } else { None };
        let client = match &gateway {
            Some(gateway) => Client::new(gateway.url(), Some(gateway.key()), shutdown)?,
            None => Client::new(url(args, &config)?, key, shutdown)?,
        };
        let sent = match &args.file {
            Some(file) => file::send(&client, file, args).await,
            None => single::send(&client, &single, args).await,
        };
        if let Some(gateway) = gateway {
            gateway.shutdown().await;
        }
        match sent {
            Err(Failure::Failed(error)) if args.kafka => Err(Failure::Failed(
                error.context(format!("not everything was written to Kafka at {}", config.kafka.bootstrap_servers)),
            )),
            sent => sent,
        }
    })
}

fn url(args: &SendArgs, config: &Config) -> Result<Url, Failure> {
    let Some(text) = &args.url else {
        let mut listen = config.ingest.listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        return Ok(Url::parse(&format!("http://{listen}/")).context("ingest.listen makes no URL")?);
    };
    let mut url = http_url(text)?;
    url.set_path(&format!("{}/", url.path().trim_end_matches('/'))); // what is joined to it stands below it
    Ok(url)
}

fn api_key(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let text = match file {
        Some(file) => Some(
            fs::read_to_string(file)
                .with_context(|| format!("cannot read --api-key-file {}", file.display()))
                .map_err(Failure::Usage)?,
        ),
        None => std::env::var(KEY_VARIABLE).ok(),
    };
    let key = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if key.as_ref().is_some_and(|key| !key.chars().all(|c| c.is_ascii_graphic())) {
        return Err(Failure::usage("the API key must be printable ASCII without spaces"));
    }
    Ok(key.map(Secret::new))
}
