//! Where a lane goes on reading a partition, and when it must not (P6: gaps are loud).

use std::fmt;

/// A group's committed offset, as the broker tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The position.
    pub position: i64,
    /// What was stored beside it.
    pub metadata: String,
}

/// What Kafka knows of a partition when it is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// The group's committed offset, if there is one.
    pub committed: Option<Committed>,
    /// The first offset the events topic still holds.
    pub low: i64,
    /// The end of the events partition.
    pub high: i64,
    /// The end of the ledger partition; 0 means nothing was ever written to it.
    pub ledger_high: i64,
    /// The first event that was appended for certain after the ledger's last progress was written; none: there is none.
    pub after_progress: Option<i64>,
}

/// What the ledger says of where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// What lies below it is settled.
    pub progress: Option<i64>,
    /// How far had been read when the topic lost its end: it stands until it is accepted.
    pub cut: Option<i64>,
    /// A standing `offsets accept`.
    pub accepted: Option<i64>,
}

/// Where a lane that never committed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// At the oldest record.
    Earliest,
    /// At the end.
    Latest,
}

/// Work that may have vanished: the partition stops until `offsets accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Records in `from..to` left the topic before they were settled.
    Vanished {
        /// The first missing offset.
        from: i64,
        /// The first offset that is still there.
        to: i64,
    },
    /// The commit was moved forward from outside, past unsettled records.
    CommitMoved {
        /// How far the lane had settled.
        progress: i64,
        /// Where the commit was put.
        committed: i64,
    },
    /// The lane has a past, but neither a committed offset nor a progress record.
    CommitMissing,
    /// The lane itself committed, but its ledger holds nothing: it was lost or made anew, and with it the receipts.
    LedgerMissing {
        /// Where the commit stands.
        committed: i64,
    },
    /// The position lies behind the topic's end: the topic was made anew or truncated.
    BeyondEnd {
        /// Where the lane should go on.
        position: i64,
        /// The topic's end.
        end: i64,
    },
    /// What was read up to this position is no longer there, and the topic reaches beyond it: its end was cut off, or it was
    /// made anew, and has grown again, so that other records stand below.
    Regrown {
        /// How far it had been read.
        position: i64,
        /// The first offset the topic holds.
        low: i64,
        /// The topic's end.
        end: i64,
    },
}

impl Gap {
    /// The broker refuses the position of a partition that is being read. `handed_over` is the lane's own, which may lie
    /// below: what lies between is on its way or lost with it.
    #[must_use]
    pub fn while_reading(position: i64, handed_over: i64, low: i64, end: i64) -> Self {
        if handed_over < low { Self::Vanished { from: handed_over, to: low } } else { Self::cut(position, low, end) }
    }

    /// The topic has lost its end, up to which it had been read.
    fn cut(position: i64, low: i64, end: i64) -> Self {
        if end < position { Self::BeyondEnd { position, end } } else { Self::Regrown { position, low, end } }
    }

    /// The position behind which the topic lost its end: other records may stand below, or soon will, and only reading
    /// the topic again finds them.
    #[must_use]
    pub fn cut_at(self) -> Option<i64> {
        match self {
            Self::BeyondEnd { position, .. } | Self::Regrown { position, .. } => Some(position),
            Self::Vanished { .. } | Self::CommitMoved { .. } | Self::CommitMissing | Self::LedgerMissing { .. } => None,
        }
    }

    /// Where `offsets accept` goes on: behind what vanished; at the oldest record where what is missing is
    /// unknown, because reading again sends nothing that has a receipt.
    #[must_use]
    pub fn accept_at(self, low: i64) -> i64 {
        match self {
            Self::Vanished { to, .. } => to.max(low),
            Self::CommitMoved { committed, .. } | Self::LedgerMissing { committed } => committed.max(low),
            Self::CommitMissing | Self::BeyondEnd { .. } | Self::Regrown { .. } => low,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vanished { from, to } => {
                write!(f, "offsets {from} to {} left the topic before they were settled", to - 1)
            }
            Self::CommitMoved { progress, committed } => {
                write!(
                    f,
                    "the committed offset was moved from outside to {committed}, but only what is below {progress} is settled"
                )
            }
            Self::CommitMissing => f.write_str(
                "the committed offset and the progress record are both missing, although the ledger has a past",
            ),
            Self::LedgerMissing { committed } => {
                write!(
                    f,
                    "the lane committed {committed} itself, but its ledger holds nothing: it was lost or made anew, and what was sent from there on would be sent again"
                )
            }
            Self::BeyondEnd { position, end } => {
                write!(
                    f,
                    "the position {position} lies beyond the topic's end {end}: the topic was truncated or made anew"
                )
            }
            Self::Regrown { position, low, end } => {
                write!(
                    f,
                    "what was read up to the position {position} is gone although the topic holds {low} to {end}: its end was cut off, or it was made anew, and has grown again, so other records stand below"
                )
            }
        }
    }
}

/// What our own commits carry beside the offset, so that one from outside can be told from ours.
#[must_use]
pub fn commit_metadata(position: i64) -> String {
    format!("postrider:{position}")
}

/// Where to go on. An accept counts only where there is a gap, and only inside the topic; where the topic lost its end it
/// says no more than that somebody has looked: the topic is read again from its oldest record.
///
/// # Errors
/// A gap: records may be missing, so the partition must stop.
pub fn resolve(positions: &Positions, past: Past, start: StartFrom) -> Result<i64, Gap> {
    let Past { progress, cut, accepted } = past;
    let (low, high) = (positions.low, positions.high);
    let accepted = accepted.filter(|at| (low..=high).contains(at));
    // What is settled was appended before its settling was written down; where it was not, the topic was made anew.
    let is_anew = |progress: &i64| positions.after_progress.is_some_and(|first| first < *progress);
    if let Some(position) = cut.or(progress.filter(is_anew)) {
        return accepted.map(|_| low).ok_or(Gap::cut(position, low, high));
    }
    let found = candidate(positions, progress, start).and_then(|at| within(positions, progress, at));
    found.or_else(|gap| accepted.ok_or(gap))
}

fn candidate(positions: &Positions, progress: Option<i64>, start: StartFrom) -> Result<i64, Gap> {
    let fresh = positions.ledger_high == 0;
    match (&positions.committed, progress) {
        // No commit of ours is without a progress record before it.
        (Some(committed), None) if fresh && committed.metadata == commit_metadata(committed.position) => {
            Err(Gap::LedgerMissing { committed: committed.position })
        }
        (Some(committed), _) if committed.metadata == commit_metadata(committed.position) => Ok(committed.position),
        (Some(committed), Some(progress)) if committed.position <= progress => Ok(committed.position),
        (Some(committed), None) if fresh && committed.position <= positions.low => Ok(positions.low),
        (Some(committed), progress) => {
            Err(Gap::CommitMoved { progress: progress.unwrap_or(positions.low), committed: committed.position })
        }
        (None, Some(progress)) => Ok(progress),
        (None, None) if fresh => Ok(match start {
            StartFrom::Earliest => positions.low,
            StartFrom::Latest => positions.high,
        }),
        (None, None) => Err(Gap::CommitMissing),
    }
}

/// What lies below the progress was settled, so it may have left the topic; what lies above may not.
fn within(positions: &Positions, progress: Option<i64>, at: i64) -> Result<i64, Gap> {
    if positions.high < at {
        return Err(Gap::BeyondEnd { position: at, end: positions.high });
    }
    if positions.low <= at {
        return Ok(at);
    }
    match progress {
        Some(progress) if positions.low <= progress => Ok(positions.low),
        Some(progress) => Err(Gap::Vanished { from: progress.max(at), to: positions.low }),
        None => Err(Gap::Vanished { from: at, to: positions.low }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Past = Past { progress: None, cut: None, accepted: None };

    fn ours(position: i64) -> Option<Committed> {
        Some(Committed { position, metadata: commit_metadata(position) })
    }

    fn foreign(position: i64) -> Option<Committed> {
        Some(Committed { position, metadata: String::new() })
    }

    #[track_caller]
    fn check(committed: Option<Committed>, progress: Option<i64>, accepted: Option<i64>, expected: Result<i64, Gap>) {
        let ledger_high = i64::from(progress.is_some()) * 7;
        let positions = Positions { committed, low: 10, high: 100, ledger_high, after_progress: progress };
        assert_eq!(resolve(&positions, Past { progress, cut: None, accepted }, StartFrom::Earliest), expected);
    }

    #[test]
    fn goes_on_where_it_is_safe() {
        check(ours(50), Some(50), None, Ok(50));
        check(ours(20), Some(50), None, Ok(20)); // a reset that the lane itself committed on
        check(foreign(20), Some(50), None, Ok(20)); // a reset by Kafka's own tool
        check(foreign(50), Some(50), None, Ok(50));
        check(None, Some(50), None, Ok(50)); // Kafka forgot the empty group
        check(None, None, None, Ok(10)); // fresh
        check(foreign(3), Some(50), None, Ok(10)); // what vanished was settled
        check(foreign(10), None, None, Ok(10));
    }

    #[test]
    fn stops_where_work_may_be_missing() {
        check(foreign(51), Some(50), None, Err(Gap::CommitMoved { progress: 50, committed: 51 }));
        check(foreign(11), None, None, Err(Gap::CommitMoved { progress: 10, committed: 11 }));
        check(ours(5), Some(5), None, Err(Gap::Vanished { from: 5, to: 10 }));
        check(foreign(3), Some(5), None, Err(Gap::Vanished { from: 5, to: 10 }));
        check(ours(101), Some(101), None, Err(Gap::BeyondEnd { position: 101, end: 100 }));
        let past = Positions { committed: None, low: 10, high: 100, ledger_high: 7, after_progress: None };
        assert_eq!(resolve(&past, NOTHING, StartFrom::Earliest), Err(Gap::CommitMissing));
    }

    /// With the receipts gone, reading on would send again what was sent above the commit.
    #[test]
    fn a_ledger_that_was_lost_is_a_gap_and_accepted_where_the_commit_stands() {
        check(ours(50), None, None, Err(Gap::LedgerMissing { committed: 50 }));
        check(ours(50), None, Some(50), Ok(50));
        assert_eq!(Gap::LedgerMissing { committed: 50 }.accept_at(10), 50);
        let written = Positions { committed: ours(50), low: 10, high: 100, ledger_high: 1, after_progress: None };
        assert_eq!(resolve(&written, NOTHING, StartFrom::Earliest), Ok(50), "all of it was older than the window");
    }

    #[test]
    fn an_accept_opens_a_gap_and_nothing_else() {
        check(foreign(51), Some(50), Some(51), Ok(51));
        check(ours(5), Some(5), Some(10), Ok(10));
        check(ours(101), Some(101), Some(10), Ok(10));
        check(ours(50), Some(50), Some(70), Ok(50)); // no gap: the accept is stale
        check(ours(5), Some(5), Some(9), Err(Gap::Vanished { from: 5, to: 10 })); // outside the topic
    }

    #[test]
    fn a_cut_stands_until_it_is_accepted_and_then_all_is_read_again() {
        let positions = Positions { committed: ours(50), low: 10, high: 100, ledger_high: 7, after_progress: None };
        let cut = Past { progress: Some(50), cut: Some(50), accepted: None };
        let regrown = Gap::Regrown { position: 50, low: 10, end: 100 };
        assert_eq!(resolve(&positions, cut, StartFrom::Earliest), Err(regrown));
        let short = Positions { high: 40, ..positions.clone() };
        let beyond = Gap::BeyondEnd { position: 50, end: 40 };
        assert_eq!(resolve(&short, cut, StartFrom::Earliest), Err(beyond));
        let accepted = Past { accepted: Some(50), ..cut };
        assert_eq!(resolve(&positions, accepted, StartFrom::Earliest), Ok(10));
        let before = Past { accepted: Some(9), ..cut };
        assert_eq!(resolve(&positions, before, StartFrom::Earliest), Err(regrown), "more has vanished since");
    }

    /// Made anew while nobody read, and filled past the position: offsets alone look as if nothing had happened.
    #[test]
    fn events_below_the_progress_that_are_younger_than_it_are_another_topics() {
        let positions =
            |after_progress| Positions { committed: ours(50), low: 0, high: 100, ledger_high: 7, after_progress };
        let past = |accepted| Past { progress: Some(50), cut: None, accepted };
        let from = |first, accepted| resolve(&positions(Some(first)), past(accepted), StartFrom::Earliest);
        assert_eq!(from(0, None), Err(Gap::Regrown { position: 50, low: 0, end: 100 }));
        assert_eq!(from(49, None), Err(Gap::Regrown { position: 50, low: 0, end: 100 }));
        assert_eq!(from(50, None), Ok(50));
        assert_eq!(from(0, Some(50)), Ok(0), "all of it is read");
    }

    #[test]
    fn latest_begins_at_the_end_only_where_there_is_no_past() {
        let fresh = Positions { committed: None, low: 10, high: 100, ledger_high: 0, after_progress: None };
        assert_eq!(resolve(&fresh, NOTHING, StartFrom::Latest), Ok(100));
    }
}
