//! SIGTERM and SIGINT: the first asks to drain, the second ends the process at once.

use std::future::Future;

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// What a shell reports for a process ended by signal number `n`.
const SIGNALLED: i32 = 128;

/// Becomes true at the first signal and stays so.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Listens from now on, for the whole process. Call it inside the runtime, before anything that takes long.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let (tx, rx) = watch::channel(false);
        postrider_telemetry::spawn("signals", async move {
            let name = next(&mut terminate, &mut interrupt).await.0;
            tracing::info!(signal = name, "draining; a second signal ends the process at once");
            tx.send_replace(true);
            let (name, number) = next(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "ended at once; what was under way may be sent a second time");
            std::process::exit(SIGNALLED + number);
        });
        Ok(Self(rx))
    }

    /// Nobody ever asks.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self::by_hand().1
    }

    /// Asked by whoever sends `true`.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (watch::Sender<bool>, Self) {
        let (tx, rx) = watch::channel(false);
        (tx, Self(rx))
    }

    /// Whether the process has been asked to stop.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when the process has been asked to stop; at once if it was before.
    pub(crate) fn requested(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut rx = self.0.clone();
        async move {
            // An error means that nobody is left who could ask; then nobody ever does.
            if rx.wait_for(|requested| *requested).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}
