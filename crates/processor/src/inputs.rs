//! Everything that can happen to a lane, in one stream: finished work first, records last.

use std::time::Duration;

use postrider_domain::lane::{self, Event, Now, WriteProblem};
use postrider_kafka::{
    CommitPosition, LedgerEvent, Positions, SourceEvent, WriteEvent, WriteFailureKind, topics::Kept,
};
use postrider_telemetry::clock;
use tokio::{
    sync::{
        mpsc::{Receiver, UnboundedReceiver},
        watch,
    },
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{attempts::Ended, gatekeeper::Checked};

/// What came in. Most of it is the lane's; the rest concerns the shell alone.
#[derive(Debug)]
pub(crate) enum Input {
    Stop,
    Ended(Ended),
    Written(WriteEvent),
    Checked(Checked),
    Tick,
    Ledger(LedgerEvent),
    Source(SourceEvent),
    /// This thread has ended without a last word, which only a defect explains.
    Dead(&'static str),
}

/// The clocks and the dice, for the one place that decides.
pub(crate) fn now() -> Now {
    Now { wall: clock::wall(), boot: clock::boot(), jitter: fastrand::f64() }
}

/// The ends of all channels.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub stop: watch::Receiver<bool>,
    pub stop_seen: bool,
    pub ended: UnboundedReceiver<Ended>,
    pub written: UnboundedReceiver<WriteEvent>,
    pub checked: UnboundedReceiver<Checked>,
    pub ledger: Receiver<LedgerEvent>,
    pub source: Receiver<SourceEvent>,
    pub ticks: Interval,
}

/// The resolution of every wait; far below any delay a user can set.
pub(crate) fn ticks() -> Interval {
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

impl Inputs {
    /// Most senders live in the pipeline's own handles, so their channels do not end before the lane does. Those of the
    /// ledger and the source live in threads; a lane must not wait for ever for one that is gone.
    pub(crate) async fn next(&mut self) -> Input {
        let stop_seen = self.stop_seen;
        tokio::select! {
            biased;
            () = stopped(&mut self.stop), if !stop_seen => {
                self.stop_seen = true;
                Input::Stop
            }
            Some(ended) = self.ended.recv() => Input::Ended(ended),
            Some(written) = self.written.recv() => Input::Written(written),
            Some(checked) = self.checked.recv() => Input::Checked(checked),
            _ = self.ticks.tick() => Input::Tick,
            event = self.ledger.recv() => event.map_or(Input::Dead("ledger"), Input::Ledger),
            event = self.source.recv() => event.map_or(Input::Dead("source"), Input::Source),
        }
    }
}

/// A sender that is gone wants the lane to stop, too.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// A write's end, as the lane understands it.
pub(crate) fn written(event: WriteEvent) -> Event {
    let result = event.result.map(drop).map_err(|failure| match failure.kind {
        WriteFailureKind::TimedOut => WriteProblem::TimedOut,
        WriteFailureKind::Refused => WriteProblem::Refused(failure.detail),
        WriteFailureKind::Fatal => WriteProblem::Fatal(failure.detail),
    });
    Event::Written { token: event.token, result }
}

/// What a look at the topics found, as the lane understands it.
pub(crate) fn checked(Checked { partition, epoch, result }: Checked) -> Event {
    match result {
        Ok(Kept { events, receipts }) => Event::Kept { events, receipts },
        Err(detail) => Event::Refused { partition, epoch, detail },
    }
}

/// A position to commit, as Kafka understands it.
pub(crate) fn commit_position(position: lane::CommitPosition) -> CommitPosition {
    CommitPosition { partition: position.partition, position: position.position, metadata: position.metadata }
}

/// Kafka's positions, as the lane understands them.
pub(crate) fn positions(positions: Positions) -> postrider_domain::start::Positions {
    let Positions { committed, low, high, ledger_high, after_progress } = positions;
    let committed = committed.map(|(position, metadata)| postrider_domain::start::Committed { position, metadata });
    postrider_domain::start::Positions { committed, low, high, ledger_high, after_progress }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{channel, unbounded_channel};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_is_gone_is_noticed() {
        for dies in ["ledger", "source"] {
            let (_stop, stop) = watch::channel(false);
            let (_ended, ended) = unbounded_channel();
            let (_written, written) = unbounded_channel();
            let (_checked, checked) = unbounded_channel();
            let ((ledger_thread, ledger), (source_thread, source)) = (channel(1), channel(1));
            let (mut ledger_thread, mut source_thread) = (Some(ledger_thread), Some(source_thread));
            let mut ticks = interval(Duration::from_secs(60));
            ticks.reset();
            let mut inputs = Inputs { stop, stop_seen: false, ended, written, checked, ledger, source, ticks };
            if dies == "ledger" {
                drop(ledger_thread.take())
            } else {
                drop(source_thread.take())
            }
            let found = inputs.next().await;
            assert!(matches!(found, Input::Dead(thread) if thread == dies), "{found:?}");
        }
    }
}
