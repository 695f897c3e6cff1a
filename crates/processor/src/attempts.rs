//! Runs attempts: one task each, one answer each, and the permit that can be taken back.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use postrider_channels::Channel;
use postrider_domain::{
    Answer, Delivery, Failure, Permit, Reason,
    lane::{Attempt, WorkId},
};
use postrider_telemetry::{clock, spawn};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::AbortHandle,
    time::timeout,
};

/// An attempt's end, or the answer to a recall.
#[derive(Debug)]
pub(crate) enum Ended {
    Answered { work: WorkId, answer: Answer, took: Duration },
    Begun { work: WorkId },
}

#[derive(Debug)]
struct Running {
    permit: Permit,
    task: AbortHandle,
    attempt: Attempt,
}

/// The attempts that run. Bounded by the lane, which never asks for more than `in_flight_max`.
#[derive(Debug)]
pub(crate) struct Attempts {
    channel: Arc<dyn Channel>,
    running: HashMap<WorkId, Running>,
    ended: UnboundedSender<Ended>,
}

impl Attempts {
    pub(crate) fn new(channel: Arc<dyn Channel>) -> (Self, UnboundedReceiver<Ended>) {
        let (ended, inbox) = unbounded_channel();
        (Self { channel, running: HashMap::new(), ended }, inbox)
    }

    pub(crate) fn start(&mut self, attempt: Attempt, permit: Permit) {
        let work = attempt.work;
        let task = run(Arc::clone(&self.channel), work, attempt.delivery.clone(), permit.clone(), self.ended.clone());
        let task = spawn("attempt", task).abort_handle();
        self.running.insert(work, Running { permit, task, attempt });
    }

    /// An attempt that has ended.
    pub(crate) fn finish(&mut self, work: WorkId) -> Option<Attempt> {
        self.running.remove(&work).map(|running| running.attempt)
    }

    /// Takes the permit back if it is unused; otherwise the attempt goes on.
    pub(crate) fn recall(&mut self, work: WorkId) {
        let Some(running) = self.running.get(&work) else { return };
        if running.permit.revoke() {
            running.task.abort();
            self.answer(work, Answer::NotPermitted);
        } else {
            self.send(Ended::Begun { work });
        }
    }

    /// Ends the attempt and closes its socket.
    pub(crate) fn abort(&mut self, work: WorkId) {
        let Some(running) = self.running.get(&work) else { return };
        let revoked = running.permit.revoke();
        running.task.abort();
        let failure = Failure::new(Reason::LostReply, "the process ended before the provider answered");
        self.answer(work, if revoked { Answer::NotPermitted } else { Answer::Unknown { failure } });
    }

    fn answer(&self, work: WorkId, answer: Answer) {
        self.send(Ended::Answered { work, answer, took: Duration::ZERO });
    }

    /// The receiver lives as long as the pipeline, so a failed send means that nobody is left to care.
    fn send(&self, ended: Ended) {
        drop(self.ended.send(ended));
    }
}

/// The lane is gone, perhaps with an error while the rest of the process drains, and its partitions may be another's:
/// nobody could write a receipt any more, so nothing may be sent.
impl Drop for Attempts {
    fn drop(&mut self) {
        for running in self.running.values() {
            // Also what has begun ends: a mail without its final dot is no mail.
            let _has_not_begun = running.permit.revoke();
            running.task.abort();
        }
    }
}

async fn run(
    channel: Arc<dyn Channel>,
    work: WorkId,
    delivery: Delivery,
    permit: Permit,
    ended: UnboundedSender<Ended>,
) {
    /// A channel keeps its own deadline; this is for one that does not.
    const GRACE: Duration = Duration::from_secs(10);
    let began = clock::boot();
    let attempt = AssertUnwindSafe(channel.attempt(&delivery, &permit)).catch_unwind();
    let answer = match timeout(channel.attempt_deadline() + GRACE, attempt).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) if permit.begun() => {
            Answer::Unknown { failure: Failure::new(Reason::Bug, "the attempt panicked after it had begun to write") }
        }
        Ok(Err(_panic)) => Answer::Permanent { failure: Failure::new(Reason::Bug, "the attempt panicked") },
        Err(_) if permit.begun() => {
            Answer::Unknown { failure: Failure::new(Reason::LostReply, "no answer within the attempt's deadline") }
        }
        Err(_) => Answer::Transient {
            failure: Failure::new(Reason::Timeout, "no answer within the attempt's deadline"),
            retry_after: None,
        },
    };
    drop(ended.send(Ended::Answered { work, answer, took: clock::boot().since(began) }));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use postrider_channels::Destination;
    use postrider_domain::{ChannelName, DestinationName, Fingerprint, Notification, Position, Timestamp};

    use super::*;

    /// Shows its permit and then waits for ever, as for a connection that never gets free; or panics, before or after it
    /// has begun to write.
    #[derive(Debug)]
    enum Odd {
        Waits(UnboundedSender<Permit>),
        Panics { begun: bool },
    }

    #[async_trait::async_trait]
    impl Channel for Odd {
        fn name(&self) -> ChannelName {
            ChannelName::Email
        }

        fn destinations(&self) -> Vec<Destination> {
            Vec::new()
        }

        fn attempt_deadline(&self) -> Duration {
            Duration::from_secs(60)
        }

        async fn attempt(&self, _: &Delivery, permit: &Permit) -> Answer {
            match self {
                Self::Waits(asked) => asked.send(permit.clone()).unwrap(),
                Self::Panics { begun } => panic!("begun: {}", *begun && permit.begin()),
            }
            std::future::pending().await
        }
    }

    fn attempt() -> Attempt {
        let event = Notification {
            source: "shop".to_owned(),
            event_key: "order-1017".to_owned(),
            event_type: "order.shipped".to_owned(),
            occurred_at: Timestamp(0),
            not_before: None,
            expires_at: None,
            template: None,
            email: None,
            slack: None,
            metadata: BTreeMap::new(),
        };
        let delivery = Delivery {
            id: Fingerprint([7; 16]),
            channel: ChannelName::Email,
            destination: DestinationName::new("relay"),
            recipient: "ada@example.com".into(),
            salt: None,
            event: Arc::new(event),
            trace_parent: None,
        };
        Attempt { work: 1, delivery, number: 1, position: Position { partition: 0, offset: 7 } }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_outlives_its_lane_sends_nothing() {
        let (asked, mut permits) = unbounded_channel();
        let (mut attempts, _ended) = Attempts::new(Arc::new(Odd::Waits(asked)));
        attempts.start(attempt(), Permit::always());
        let permit = permits.recv().await.unwrap();
        drop(attempts);
        assert!(!permit.begin());
        assert!(permits.recv().await.is_none(), "its task has ended, and the connection it held with it");
    }

    /// What was handed over before a panic may have arrived: to say it had not would invite to send it again.
    #[tokio::test]
    async fn a_panic_is_the_end_before_the_message_was_begun_and_a_doubt_after() {
        for begun in [false, true] {
            let (mut attempts, mut ended) = Attempts::new(Arc::new(Odd::Panics { begun }));
            attempts.start(attempt(), Permit::always());
            let Some(Ended::Answered { answer, .. }) = ended.recv().await else { panic!("no answer") };
            assert_eq!(matches!(answer, Answer::Unknown { .. }), begun, "{answer:?}");
            assert_eq!(matches!(answer, Answer::Permanent { .. }), !begun, "{answer:?}");
        }
    }
}
