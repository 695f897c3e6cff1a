//! `postrider offsets accept`: releases a partition that stopped at a gap.

use anyhow::Context;
use postrider_kafka::topics;
use postrider_processor::accept::{self, Outlook, Place};
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
    let Outlook { gap, position } =
        accept::inspect(place).await.with_context(|| format!("cannot look at lane {lane}, partition {partition}"))?;
    if execute {
        accept::accept(place, position)
            .await
            .with_context(|| format!("cannot accept the gap of lane {lane}, partition {partition}"))?;
    }
    if json {
        let gap = gap.map(|gap| json!({ "detail": gap.to_string() }));
        let plan = json!({
            "lane": lane.as_str(), "partition": partition, "gap": gap, "position": position, "executed": execute
        });
        return output::print_json(&plan);
    }
    let (found, end) = match (gap, execute) {
        (Some(gap), true) => (gap.to_string(), "accepted; the partition's owner goes on by itself"),
        (Some(gap), false) => {
            (gap.to_string(), "nothing was changed; add --execute to go on there. What is missing stays unsent")
        }
        (None, true) => (NO_GAP.to_owned(), "accepted; an owner that has stopped looks again and goes on"),
        (None, false) => (
            NO_GAP.to_owned(),
            "nothing was changed. If its owner has stopped all the same (its log says so), --execute lets it look again",
        ),
    };
    output::print(&format!("lane {lane}, partition {partition}: {found}\nwould go on at offset {position}\n{end}\n"))
}

const NO_GAP: &str = "no gap is to be seen";
