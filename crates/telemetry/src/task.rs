//! The named spawn.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Spawns a task whose log lines, and whose panic if it comes to that, carry `task.name`.
///
/// The one way to spawn: a bare `tokio::spawn` leaves a panic that nobody can place. The handle must be kept, joined
/// or aborted by its owner; dropping it leaves the task running, and a panic is then seen only in the log and in
/// `panics_total`. Must be called inside a tokio runtime.
#[allow(clippy::disallowed_methods, reason = "this is the spawn that everybody else has to use")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.instrument(tracing::error_span!("task", task.name = name)))
}
