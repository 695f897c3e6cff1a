//! `postrider offsets accept`: goes on behind a gap that stopped a partition.

use anyhow::Context;
use postrider_kafka::topics;
use postrider_processor::accept::{self, Place};
use serde_json::json;

use crate::{
    cli::{Global, OffsetsCommand},
    config::{Config, Scope},
    failure::Failure,
    output, wiring,
};

/// Shows the plan; with `--execute` carries it out.
pub(crate) fn run(command: OffsetsCommand, global: &Global) -> Result<(), Failure> {
    let OffsetsCommand::Accept { lane, partition, execute, json } = command;
    let config = Config::load(global.config.as_deref(), Scope::KAFKA)?;
    let Some(lane) = config.lane(&lane) else {
        let known: Vec<_> = config.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let problem =
            format!("--lane {lane}: no such lane, or its channel is not configured; there are: {}", known.join(", "));
        return Err(Failure::usage(problem));
    };
    let place = Place {
        kafka: config.kafka.clone(),
        topics: config.topic_plan(),
        lane: lane.name.clone(),
        start: lane.start,
        partition,
    };
    Ok(wiring::runtime()?.block_on(accept(&place, execute, json))?)
}

async fn accept(place: &Place, execute: bool, json: bool) -> anyhow::Result<()> {
    let (lane, partition) = (&place.lane, place.partition);
    // One that does not exist would be waited for.
    let topic = &place.topics.events;
    let count = topics::partition_count(&place.kafka, topic).await.context("cannot look at the events topic")?;
    anyhow::ensure!(
        partition < count,
        "--partition {partition}: there is no such partition, {topic} has those from 0 to {}",
        count - 1
    );
    let standstill =
        accept::inspect(place).await.with_context(|| format!("cannot look at lane {lane}, partition {partition}"))?;
    let executed = execute && standstill.is_some();
    if let (true, Some(standstill)) = (execute, &standstill) {
        accept::accept(place, standstill)
            .await
            .with_context(|| format!("cannot accept the gap of lane {lane}, partition {partition}"))?;
    }
    if json {
        let gap = standstill
            .map(|standstill| json!({ "detail": standstill.gap.to_string(), "position": standstill.position }));
        let plan = json!({ "lane": lane.as_str(), "partition": partition, "gap": gap, "executed": executed });
        return output::print_json(&plan);
    }
    let Some(standstill) = standstill else {
        return output::print(&format!("lane {lane}, partition {partition}: there is no gap, nothing to accept\n"));
    };
    let end = if executed {
        "accepted; the partition's owner goes on by itself"
    } else {
        "nothing was changed; add --execute to go on there. What is missing stays unsent"
    };
    output::print(&format!(
        "lane {lane}, partition {partition}: {}\nwould go on at offset {}\n{end}\n",
        standstill.gap, standstill.position
    ))
}
