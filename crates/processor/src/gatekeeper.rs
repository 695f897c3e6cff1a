//! At every assignment: do the topics keep what we promise?

use std::{collections::HashMap, sync::Arc, time::Duration};

use postrider_domain::{LaneName, time::BootTime};
use postrider_kafka::{
    KafkaSettings,
    topics::{self, Kept, LaneTopics, TopicPlan},
};
use postrider_telemetry::{clock, spawn};
use tokio::{
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::AbortHandle,
};

use crate::reader::chain;

/// A partition that was looked at: it may be restored, or why not.
#[derive(Debug)]
pub(crate) struct Checked {
    pub partition: i32,
    pub epoch: u64,
    pub result: Result<Kept, String>,
}

#[derive(Debug)]
struct Question {
    kafka: KafkaSettings,
    topics: TopicPlan,
    lane: LaneName,
    /// One answer serves all partitions of an assignment.
    last: Mutex<Option<(BootTime, Result<Kept, String>)>>,
}

/// Asks the cluster and tells the pipeline.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    question: Option<Arc<Question>>,
    planned: Kept,
    checked: UnboundedSender<Checked>,
    /// The assignments that want an answer. Dropping a task ends its asking.
    asking: HashMap<i32, Asking>,
}

#[derive(Debug)]
struct Asking {
    epoch: u64,
    task: Option<AbortHandle>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
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
        (Self { question, planned: topics.kept_as_planned(), checked, asking: HashMap::new() }, inbox)
    }

    /// Ends with [`Checked`]. After a refusal it goes on looking, so that the partition is let in once its topics are
    /// mended.
    pub(crate) fn check(&mut self, partition: i32, epoch: u64) {
        let checked = self.checked.clone();
        let task = match self.question.clone() {
            None => {
                drop(checked.send(Checked { partition, epoch, result: Ok(self.planned) }));
                None
            }
            Some(question) => {
                let task = async move {
                    let result = question.answer().await;
                    let refused = result.is_err();
                    drop(checked.send(Checked { partition, epoch, result }));
                    if refused {
                        let kept = question.until_mended().await;
                        drop(checked.send(Checked { partition, epoch, result: Ok(kept) }));
                    }
                };
                Some(spawn("check topics", task).abort_handle())
            }
        };
        self.asking.insert(partition, Asking { epoch, task });
    }

    /// The partition is let go: no answer is wanted any more.
    pub(crate) fn forget(&mut self, partition: i32) {
        self.asking.remove(&partition);
    }

    /// Whether the answer is for the assignment that holds; one that comes late must not start a restore.
    pub(crate) fn is_wanted(&self, checked: &Checked) -> bool {
        self.asking.get(&checked.partition).is_some_and(|asking| asking.epoch == checked.epoch)
    }
}

impl Question {
    async fn answer(&self) -> Result<Kept, String> {
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

    /// Returns when the topics keep what we promise.
    async fn until_mended(&self) -> Kept {
        const LOOK_AGAIN: Duration = Duration::from_secs(15);
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Ok(kept) = self.answer().await {
                return kept;
            }
        }
    }

    /// A cluster that does not answer is asked again: only its answer counts.
    async fn ask(&self) -> Result<Kept, String> {
        const AGAIN: Duration = Duration::from_secs(2);
        loop {
            match topics::check_lane(&self.kafka, &self.topics, &self.lane).await {
                Ok(LaneTopics { refused, kept }) => {
                    let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
                    return if refused.is_empty() { Ok(kept) } else { Err(refused.join("; ")) };
                }
                Err(error) => {
                    tracing::warn!(lane = %self.lane, error = chain(&error), "cannot check the topics; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_for_a_former_assignment_is_not_wanted() {
        let plan = TopicPlan {
            events: "notifications".to_owned(),
            partitions: 1,
            replication_factor: -1,
            retention: Duration::from_secs(60),
            give_up_after: Duration::from_secs(60),
            body_max: 1,
            lanes: Vec::new(),
        };
        let (mut gatekeeper, mut inbox) =
            Gatekeeper::new(&KafkaSettings::default(), &plan, &LaneName::new("email"), false);
        gatekeeper.check(0, 1);
        let first = inbox.recv().await.unwrap();
        assert!(gatekeeper.is_wanted(&first));
        gatekeeper.check(0, 2);
        assert!(!gatekeeper.is_wanted(&first), "assigned anew");
        let second = inbox.recv().await.unwrap();
        assert!(gatekeeper.is_wanted(&second));
        gatekeeper.forget(0);
        assert!(!gatekeeper.is_wanted(&second), "let go");
    }
}
