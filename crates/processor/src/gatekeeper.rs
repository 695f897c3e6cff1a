//! At every assignment: do the topics keep what we promise?

use std::{sync::Arc, time::Duration};

use postrider_domain::{LaneName, time::BootTime};
use postrider_kafka::{
    KafkaSettings,
    topics::{self, Severity, TopicPlan},
};
use postrider_telemetry::{clock, spawn};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::reader::chain;

/// A partition that was looked at: it may be restored, or why not.
#[derive(Debug)]
pub(crate) struct Checked {
    pub partition: i32,
    pub epoch: u64,
    pub result: Result<(), String>,
}

#[derive(Debug)]
struct Question {
    kafka: KafkaSettings,
    topics: TopicPlan,
    lane: LaneName,
    /// One answer serves all partitions of an assignment.
    last: Mutex<Option<(BootTime, Result<(), String>)>>,
}

/// Asks the cluster and tells the pipeline.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    question: Option<Arc<Question>>,
    checked: UnboundedSender<Checked>,
}

impl Gatekeeper {
    /// Without `asks` every partition may pass: the in-process broker has no admin API.
    pub(crate) fn new(
        kafka: &KafkaSettings,
        topics: &TopicPlan,
        lane: &LaneName,
        asks: bool,
    ) -> (Self, UnboundedReceiver<Checked>) {
        let (checked, inbox) = unbounded_channel();
        let question = asks.then(|| {
            let (kafka, topics, lane) = (kafka.clone(), topics.clone(), lane.clone());
            Arc::new(Question { kafka, topics, lane, last: Mutex::new(None) })
        });
        (Self { question, checked }, inbox)
    }

    pub(crate) fn check(&self, partition: i32, epoch: u64) {
        let checked = self.checked.clone();
        let Some(question) = self.question.clone() else {
            drop(checked.send(Checked { partition, epoch, result: Ok(()) }));
            return;
        };
        spawn("check topics", async move {
            let result = question.answer().await;
            drop(checked.send(Checked { partition, epoch, result }));
        });
    }
}

impl Question {
    async fn answer(&self) -> Result<(), String> {
        const FRESH: Duration = Duration::from_secs(5);
        let mut last = self.last.lock().await;
        if let Some((asked_at, answer)) = &*last
            && clock::boot().since(*asked_at) < FRESH
        {
            return answer.clone();
        }
        let answer = self.ask().await;
        *last = Some((clock::boot(), answer.clone()));
        answer
    }

    /// A cluster that does not answer is asked again: only its answer counts.
    async fn ask(&self) -> Result<(), String> {
        const AGAIN: Duration = Duration::from_secs(2);
        loop {
            match topics::check_lane(&self.kafka, &self.topics, &self.lane).await {
                Ok(problems) => {
                    let broken: Vec<String> = problems
                        .iter()
                        .filter(|problem| problem.severity == Severity::Error)
                        .map(ToString::to_string)
                        .collect();
                    return if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) };
                }
                Err(error) => {
                    tracing::warn!(lane = %self.lane, error = chain(&error), "cannot check the topics; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}
