//! Whom a limit concerns: everybody who goes the same way, or one recipient alone. A relay says it in the same words.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{limits, time::Timestamp};

/// One recipient that alone is told of a limit for so long, while nobody is served, speaks for everybody.
const ALONE_MAX: Duration = Duration::from_secs(600);

/// What is known to work.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    count: u64,
    served: Served,
}

#[derive(Debug, Default)]
enum Served {
    #[default]
    Nobody,
    /// As with Slack, where the destination is the recipient: it speaks for everybody.
    One(Arc<str>),
    Several,
}

impl Proofs {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn add(&mut self, recipient: &Arc<str>) {
        self.count += 1;
        match &self.served {
            Served::Nobody => self.served = Served::One(Arc::clone(recipient)),
            Served::One(only) if only != recipient => self.served = Served::Several,
            Served::One(_) | Served::Several => {}
        }
    }

    fn speaks_for_all(&self, recipient: &str) -> bool {
        match &self.served {
            Served::Nobody => true,
            Served::One(only) => **only == *recipient,
            Served::Several => false,
        }
    }
}

/// The recipients that were told of a limit last, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct Doubts(VecDeque<Doubt>);

#[derive(Debug)]
struct Doubt {
    recipient: Arc<str>,
    /// The proofs there were when it was last told.
    proofs: u64,
    /// Told so since then, with no proof meanwhile.
    since: Timestamp,
    /// Others were served between the last two times: it says nothing of them.
    is_own: bool,
}

impl Doubts {
    /// It was told of a limit once more.
    pub(super) fn note(&mut self, recipient: &Arc<str>, proofs: &Proofs, now: Timestamp) {
        let before = self.0.iter().position(|doubt| doubt.recipient == *recipient).and_then(|at| self.0.remove(at));
        let is_own = before.as_ref().is_some_and(|before| before.proofs < proofs.count);
        let since = before.filter(|_| !is_own).map_or(now, |before| before.since);
        if self.0.len() == limits::DOUBTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Doubt { recipient: Arc::clone(recipient), proofs: proofs.count, since, is_own });
    }

    /// It was served: its limit is over.
    pub(super) fn dispel(&mut self, recipient: &str) {
        self.0.retain(|doubt| *doubt.recipient != *recipient);
    }

    /// Its last limit was this recipient's own.
    pub(super) fn is_own(&self, recipient: &str) -> bool {
        self.of(recipient).is_some_and(|doubt| doubt.is_own)
    }

    /// Its last limit concerns everybody, for all that is known: another recipient was told so, too, and nobody was
    /// served since.
    pub(super) fn is_everybodys(&self, recipient: &str, proofs: &Proofs, now: Timestamp) -> bool {
        let agrees = |doubt: &Doubt| !doubt.is_own && doubt.proofs == proofs.count && *doubt.recipient != *recipient;
        proofs.speaks_for_all(recipient) || ALONE_MAX <= self.lasted(recipient, now) || self.0.iter().any(agrees)
    }

    /// For how long it has been told so while nobody was served.
    pub(super) fn lasted(&self, recipient: &str, now: Timestamp) -> Duration {
        self.of(recipient).map(|doubt| now.since(doubt.since)).unwrap_or_default()
    }

    fn of(&self, recipient: &str) -> Option<&Doubt> {
        self.0.iter().rev().find(|doubt| *doubt.recipient == *recipient)
    }
}
