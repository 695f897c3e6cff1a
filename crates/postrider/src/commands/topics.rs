//! `postrider topics apply|check`

use anyhow::Context;
use postrider_kafka::topics::{self, Change, Problem, Severity};

use crate::{
    cli::{Global, TopicsCommand},
    config::{Config, Scope},
    failure::Failure,
    output::{self, Table},
    wiring,
};

/// Creates or checks the topics.
pub(crate) fn run(command: TopicsCommand, global: &Global) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref(), Scope::KAFKA)?;
    let runtime = wiring::runtime()?;
    match command {
        TopicsCommand::Apply { dry_run, json } => runtime.block_on(apply(&config, dry_run, json)),
        TopicsCommand::Check { json } => runtime.block_on(check(&config, json)),
    }
}

async fn apply(config: &Config, dry_run: bool, json: bool) -> Result<(), Failure> {
    let changes = topics::apply(&config.kafka, &config.topic_plan(), dry_run)
        .await
        .with_context(|| format!("cannot apply the topics on {}", config.kafka.bootstrap_servers))?;
    let mut table = Table::new(&["topic", "change"]);
    for change in &changes {
        let (topic, what) = match change {
            Change::Created { topic, partitions, replication_factor } => {
                let replicas = match replication_factor {
                    -1 => "the brokers' default replication factor".to_owned(),
                    factor => format!("replication factor {factor}"),
                };
                (topic, format!("create with {partitions} partitions and {replicas}"))
            }
            Change::Set { topic, setting, before, after } => (topic, format!("set {setting} from {before} to {after}")),
        };
        table.row([topic.clone(), what]);
    }
    if json || !changes.is_empty() {
        table.print(json)?;
    }
    if !json {
        let summary = match (changes.len(), dry_run) {
            (0, _) => "nothing to change",
            (_, true) => "nothing was changed (--dry-run)",
            (_, false) => "done",
        };
        output::print(&format!("{summary}\n"))?;
    }
    if config.lanes.is_empty() {
        tracing::warn!("no channel is configured, so there is no lane and no ledger was planned");
    }
    if dry_run { Ok(()) } else { nothing_left(config).await }
}

/// What cannot be changed, a number of partitions, is not left for the lanes to find out.
async fn nothing_left(config: &Config) -> Result<(), Failure> {
    let problems = look(config).await?;
    // A broker shows a change some time after it was made, so what apply can mend is taken for mended.
    let stays = |problem: &&Problem| problem.severity == Severity::Error && !problem.is_for_apply();
    let left: Vec<_> = problems.iter().filter(stays).collect();
    if left.is_empty() {
        return Ok(());
    }
    let left: Vec<String> = left.into_iter().map(ToString::to_string).collect();
    Err(Failure::Failed(anyhow::anyhow!("it cannot make the topics what they should be: {}", left.join("; and "))))
}

async fn look(config: &Config) -> anyhow::Result<Vec<Problem>> {
    let problems = topics::check(&config.kafka, &config.topic_plan()).await;
    problems.with_context(|| format!("cannot check the topics on {}", config.kafka.bootstrap_servers))
}

async fn check(config: &Config, json: bool) -> Result<(), Failure> {
    let problems = look(config).await?;
    let mut table = Table::new(&["topic", "severity", "problem", "remedy"]);
    for Problem { topic, severity, detail, remedy } in &problems {
        table.row([topic.clone(), severity_name(*severity).to_owned(), detail.clone(), remedy.clone()]);
    }
    if json || !problems.is_empty() {
        table.print(json)?;
    } else {
        output::print("the topics are as they should be\n")?;
    }
    let broken = problems.iter().any(|problem| matches!(problem.severity, Severity::Error));
    if broken { Err(Failure::Reported) } else { Ok(()) }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
