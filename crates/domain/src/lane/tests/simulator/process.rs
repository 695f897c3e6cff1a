//! One process: a lane, and what its shell has in hand. All of it is gone when it dies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    fingerprint::Fingerprint,
    index::ByFingerprint,
    lane::{CommitPosition, Event, Lane, LaneSettings, WorkId, Write, room::Bounds},
    time::{BootTime, Timestamp},
};

/// An attempt under way. Before it has begun nothing can reach anybody.
#[derive(Debug)]
pub(super) struct Running {
    pub work: WorkId,
    pub id: Fingerprint,
    pub begun: bool,
    /// The provider has it.
    pub reached: bool,
    /// It ends by then, whatever happens.
    pub until: Timestamp,
}

/// One partition of one topic, as the producer sees it: it keeps the order within.
pub(super) type Queue = (&'static str, i32);

#[derive(Debug)]
pub(super) struct Process {
    pub lane: Lane,
    /// Produced, not yet durable.
    pub queues: BTreeMap<Queue, VecDeque<(u64, Write)>>,
    /// Durable, not yet acknowledged.
    pub acknowledgements: VecDeque<u64>,
    /// Answers to recalls and aborts.
    pub replies: VecDeque<Event>,
    pub commit: Option<(BootTime, Vec<CommitPosition>)>,
    pub commit_refused: bool,
    pub running: Vec<Running>,
    pub restoring: BTreeMap<usize, u64>,
    /// Where the ledger's tail stands, with the epoch.
    pub tails: BTreeMap<usize, (u64, usize)>,
    pub reads: BTreeMap<usize, i64>,
    pub paused: BTreeSet<usize>,
    pub lease_until: BootTime,
    /// When the group last heard of it.
    pub proven_at: BootTime,
    /// Deliveries that may have reached the person without a durable receipt. Some: recorded as unknown, and the
    /// next owner waits until then.
    pub exposed: ByFingerprint<Option<Timestamp>>,
    /// Lost without knowing it yet.
    pub stolen: Vec<usize>,
    pub stopping: bool,
    /// The youngest write; what is older than a partition's fence belongs to a former assignment.
    pub youngest: u64,
    pub fences: [u64; 2],
    /// The progress it found or wrote.
    pub progress: [Option<i64>; 2],
}

impl Process {
    pub(super) fn new(settings: &LaneSettings) -> Self {
        let mut lane = Lane::new(settings.clone());
        // So little that full partitions and letters without room are everyday things.
        let (deliveries_share_min, bytes_share_min) = (1, 1);
        lane.bounds = Bounds { deliveries: 6, deliveries_share_min, bytes: 1 << 20, bytes_share_min, letter_bytes: 1 };
        Self {
            lane,
            queues: BTreeMap::new(),
            acknowledgements: VecDeque::new(),
            replies: VecDeque::new(),
            commit: None,
            commit_refused: false,
            running: Vec::new(),
            restoring: BTreeMap::new(),
            tails: BTreeMap::new(),
            reads: BTreeMap::new(),
            paused: BTreeSet::new(),
            lease_until: BootTime::default(),
            proven_at: BootTime::default(),
            exposed: ByFingerprint::default(),
            stolen: Vec::new(),
            stopping: false,
            youngest: 0,
            fences: [0, 0],
            progress: [None, None],
        }
    }

    pub(super) fn produce(&mut self, token: u64, write: Write) {
        let queue = match &write {
            Write::Ledger { partition, .. } => ("ledger", *partition),
            Write::DeadLetter(letter) => ("dead", letter.partition),
            Write::Replace { partition, .. } => ("events", *partition),
        };
        self.youngest = self.youngest.max(token);
        self.queues.entry(queue).or_default().push_back((token, write));
    }

    /// The queue that a number chooses, among those that hold something.
    pub(super) fn queue(&self, which: usize) -> Option<Queue> {
        let busy: Vec<Queue> = self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(at, _)| *at).collect();
        (!busy.is_empty()).then(|| busy[which % busy.len()])
    }

    pub(super) fn pop(&mut self, queue: Queue) -> Option<(u64, Write)> {
        self.queues.get_mut(&queue)?.pop_front()
    }

    /// Whether this write is of the partition's present assignment.
    pub(super) fn is_current(&self, p: usize, token: u64) -> bool {
        self.fences[p] < token && !self.restoring.contains_key(&p)
    }

    pub(super) fn forget(&mut self, p: usize) {
        self.restoring.remove(&p);
        self.tails.remove(&p);
        self.reads.remove(&p);
        self.paused.remove(&p);
    }

    /// Nothing waits for the world to move.
    pub(super) fn is_quiet(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty)
            && self.acknowledgements.is_empty()
            && self.replies.is_empty()
            && self.running.is_empty()
            && self.restoring.is_empty()
    }
}
