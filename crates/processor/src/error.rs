//! Why a lane stops by itself.

use postrider_domain::lane::Stop;
use postrider_kafka::KafkaError;

/// The lane has stopped without a commit past unsettled work; a new start goes on where it stood.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Kafka gave no client, or its client is beyond use.
    #[error("lane {lane} cannot work with Kafka")]
    Kafka {
        /// Which lane.
        lane: String,
        /// Why.
        #[source]
        source: Box<KafkaError>,
    },
    /// A receipt or dead letter will never be taken.
    #[error(
        "lane {lane} stopped: Kafka refuses its writes for good ({detail}); check the ACLs and `postrider topics check`"
    )]
    Refused {
        /// Which lane.
        lane: String,
        /// Kafka's words.
        detail: String,
    },
    /// The producer is beyond use.
    #[error("lane {lane} stopped: its Kafka producer failed for good ({detail}); start the process again")]
    Fatal {
        /// Which lane.
        lane: String,
        /// Kafka's words.
        detail: String,
    },
    /// Its events topic has another number of partitions than when it began.
    #[error(
        "lane {lane} stopped: the events topic had {before} partitions when it began, now it has {now}; start all its \
         processes again, and see that its ledger has as many: `postrider topics check`"
    )]
    PartitionsChanged {
        /// Which lane.
        lane: String,
        /// How many it reckoned with.
        before: i32,
        /// How many there are.
        now: i32,
    },
    /// A drain did not end in its time.
    #[error("lane {lane} could not let go within its drain timeout and 10 s; what was in flight may be sent again")]
    DrainTimeout {
        /// Which lane.
        lane: String,
    },
    /// One of its threads panicked, which is a defect.
    #[error(
        "lane {lane} stopped: its {thread} thread has died; start the process again and report the panic in its log"
    )]
    ThreadDied {
        /// Which lane.
        lane: String,
        /// Which thread.
        thread: &'static str,
    },
    /// The lane's task panicked, which is a defect.
    #[error("lane {lane} panicked")]
    Panicked {
        /// Which lane.
        lane: String,
    },
}

impl LaneError {
    /// Kafka's client is beyond use.
    pub(crate) fn kafka(lane: &str, source: KafkaError) -> Self {
        Self::Kafka { lane: lane.to_owned(), source: Box::new(source) }
    }

    /// The events topic has another number of partitions.
    pub(crate) fn partitions_changed(lane: &str, before: i32, now: i32) -> Self {
        Self::PartitionsChanged { lane: lane.to_owned(), before, now }
    }

    /// The lane's own reason to stop.
    pub(crate) fn stopped(lane: &str, stop: Stop) -> Self {
        let lane = lane.to_owned();
        match stop {
            Stop::Refused(detail) => Self::Refused { lane, detail },
            Stop::Fatal(detail) => Self::Fatal { lane, detail },
        }
    }
}
