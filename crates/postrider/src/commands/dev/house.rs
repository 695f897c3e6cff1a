//! What `dev` starts, in the order in which one part needs the other.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use postrider_domain::Secret;
use postrider_ingest::{Ingest, KafkaSink, RunningIngest};
use postrider_kafka::Producer;
use postrider_sandbox::{Broker, CatchAll, Inbox, InboxLimits, InboxPage, SmtpLimits};
use postrider_telemetry::{AdminServer, Registry, clock};
use tokio::task::JoinSet;

use crate::{
    cli::DevArgs,
    config::{Access, Config, Lane},
    lanes::{self, Lanes, TopicChecks},
    wiring,
};

use super::{screen, sink::GuardedSink};

/// Joining a group takes some seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Everything that runs. Fields that are only held keep their part alive.
pub(super) struct House {
    pub(super) config: Config,
    pub(super) broker: Broker,
    pub(super) mail: CatchAll,
    pub(super) page: InboxPage,
    pub(super) inbox: Inbox,
    pub(super) ingest: RunningIngest,
    pub(super) admin: AdminServer,
    pub(super) registry: Registry,
    lanes: Lanes,
    /// Tells the sink what the lanes have consumed.
    _followers: JoinSet<()>,
}

impl House {
    pub(super) async fn start(args: &DevArgs, mut config: Config) -> anyhow::Result<Self> {
        let broker = start_broker(&config)?;
        config.kafka.bootstrap_servers = broker.bootstrap_servers().to_owned();
        let registry = wiring::registry()?;
        let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| clock::wall().0));
        let mail = CatchAll::start(loopback(args.smtp_port), inbox.clone(), SmtpLimits::default());
        let mail = mail.await.context("--smtp-port")?;

        let producer =
            Producer::start(&config.kafka, &wiring::producer(&config)).context("cannot start the producer")?;
        let names = config.lanes.iter().map(|lane| lane.name.to_string()).collect();
        let inner = KafkaSink::new(producer, config.topics.events.clone());
        let sink = Arc::new(GuardedSink::new(inner, config.topics.partitions, names));
        config.ingest.listen = loopback(args.ingest_port.unwrap_or(config.ingest.listen.port()));
        let ingest = Ingest::start(wiring::ingest(&config), Arc::clone(&sink) as _, &registry).await;
        let ingest = ingest.context("--ingest-port: choose another port, or 0 for any free one")?;

        let curl = screen::curl(ingest.address(), &config);
        let page = InboxPage::start(loopback(args.inbox_port), inbox.clone(), curl).await.context("--inbox-port")?;
        point_at_sandbox(&mut config, &mail, &page);

        let chosen: Vec<&Lane> = config.lanes.iter().collect();
        let lanes = Lanes::start(&config, &chosen, &registry, TopicChecks::Off)?;
        let mut followers = JoinSet::new();
        for (name, status) in lanes.statuses() {
            followers.spawn(Arc::clone(&sink).follow(name, status));
        }
        let port = args.admin_port.or(config.admin_listen.map(|listen| listen.port())).unwrap_or(wiring::ADMIN_PORT);
        let readiness = lanes::readiness(lanes.statuses());
        let admin = AdminServer::start(loopback(port), registry.clone(), readiness).await;
        let admin = admin.context("--admin-port: choose another port, or 0 for any free one")?;
        Ok(Self { config, broker, mail, page, inbox, ingest, admin, registry, lanes, _followers: followers })
    }

    /// Until every lane has its partitions; for a minute at most.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        for (name, mut status) in self.lanes.statuses() {
            let ready = status.wait_for(|status| status.ready.is_ok());
            let ready = matches!(tokio::time::timeout(READY_WITHIN, ready).await, Ok(Ok(_)));
            if !ready {
                let why = status.borrow().ready.clone().err().unwrap_or_default();
                anyhow::bail!("lane {name} did not become ready: {why}");
            }
        }
        Ok(())
    }

    /// Until asked to stop, or until a lane cannot go on; then everything is closed in the order of the way in.
    pub(super) async fn run_until(self, requested: impl Future<Output = ()>) -> anyhow::Result<()> {
        let ingest = self.ingest;
        let closed = async {
            requested.await;
            ingest.shutdown().await;
        };
        let ended = self.lanes.run_until(closed).await;
        self.admin.shutdown().await;
        // Clients' threads end a moment after their lanes; a broker that goes first would make them complain of it.
        std::mem::forget(self.broker);
        ended
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Every topic is named, because those that are made on first use get another number of partitions.
fn start_broker(config: &Config) -> anyhow::Result<Broker> {
    let plan = config.topic_plan();
    let ledgers = config.lanes.iter().map(|lane| plan.ledger_topic(&lane.name));
    let topics: Vec<String> = [plan.events.clone(), plan.dead_topic()].into_iter().chain(ledgers).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    Broker::start(config.topics.partitions, &names).context("cannot start the sandbox")
}

fn point_at_sandbox(config: &mut Config, mail: &CatchAll, page: &InboxPage) {
    if let Some(email) = &mut config.email {
        email.port = mail.address().port();
    }
    if let Some(slack) = &mut config.slack {
        slack.api_url = page.slack_api_url();
        for destination in &mut slack.destinations {
            destination.access = Access::Webhook(Secret::new(page.slack_webhook_url(destination.name.as_str())));
        }
    }
}
