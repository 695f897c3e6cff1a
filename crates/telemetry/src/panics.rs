//! Panics are counted and logged once, with the place and the task, instead of being printed between the log lines.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
};

use prometheus::{Error, IntCounter, Registry};

/// Puts `postrider_panics_total` on the registry and replaces the process' panic hook by one that counts there.
///
/// A literal panic message is logged; a formatted one may quote an address or a body, so only its place is, and
/// the text itself at debug level. `RUST_BACKTRACE=1` adds the backtrace.
///
/// # Errors
/// The registry has a `postrider_panics_total` already.
pub fn install(registry: &Registry) -> Result<(), Error> {
    let panics = IntCounter::new("postrider_panics_total", "Panics of any thread or task: each one is a defect.")?;
    registry.register(Box::new(panics.clone()))?;
    std::panic::set_hook(Box::new(move |info| {
        panics.inc();
        log(info);
    }));
    Ok(())
}

fn log(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let payload = info.payload();
    let message = payload.downcast_ref::<&'static str>().copied().unwrap_or("(formatted; see --log-level debug)");
    let trace = Backtrace::capture();
    let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
    tracing::error!(
        panic.place = place,
        panic.message = message,
        panic.backtrace = trace,
        "a panic: this is a defect of Postrider, please report it with this line"
    );
    if let Some(text) = payload.downcast_ref::<String>() {
        tracing::debug!(panic.place = place, panic.message = text, "the panic's text");
    }
}
