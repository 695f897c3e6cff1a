//! Logs: one line per thing worth reading, to stderr, as text for people or as JSON for machines.

use std::io::{self, IsTerminal};

use tracing::{Dispatch, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person: time, level, place, message, fields. Coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// For a machine: one JSON object per line, the fields beside the message under their dotted names.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is no level.
    #[error("`{0}` is no log level: use error, warn, info, debug or trace")]
    Level(String),
    /// The process has a logger already.
    #[error("cannot install the logger")]
    Install(#[source] tracing_subscriber::util::TryInitError),
}

/// Installs the process' logger. `level` holds for Postrider's own lines; what the libraries below say is held at
/// `warn` (or `error`, if that is the level), because at debug they print what is in their hands: bodies and addresses.
///
/// # Errors
/// The level is none of error, warn, info, debug, trace; or a logger is installed already.
pub fn init(level: &str, format: Format) -> Result<(), LoggingError> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    dispatch(level, format, colour, io::stderr)?.try_init().map_err(LoggingError::Install)
}

fn dispatch<W>(level: &str, format: Format, colour: bool, writer: W) -> Result<Dispatch, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::registry().with(targets(level)?);
    let layer = fmt::layer().with_writer(writer);
    Ok(match format {
        Format::Text => subscriber.with(layer.with_ansi(colour)).into(),
        Format::Json => {
            subscriber.with(layer.json().flatten_event(true).with_current_span(true).with_span_list(false)).into()
        }
    })
}

/// Our own targets all begin with `postrider`, and a filter matches by prefix.
fn targets(level: &str) -> Result<Targets, LoggingError> {
    let ours = match level.to_ascii_lowercase().as_str() {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return Err(LoggingError::Level(level.to_owned())),
    };
    Ok(Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("postrider", ours))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: Format, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let dispatch = dispatch(level, format, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_is_one_object_per_line_with_dotted_names() {
        let text = logged("info", Format::Json, || {
            let span = tracing::error_span!("task", task.name = "lane");
            let _entered = span.enter();
            tracing::info!(event.key = "order-1017", record.offset = 7, "delivered\nwith a newline");
            tracing::warn!(target: "rdkafka", "the broker is gone");
        });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["message"], "delivered\nwith a newline");
        assert_eq!(lines[0]["event.key"], "order-1017");
        assert_eq!(lines[0]["record.offset"], 7);
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["span"]["task.name"], "lane");
        assert_eq!(lines[1]["target"], "rdkafka");
    }

    #[test]
    fn text_keeps_a_line_per_event_and_the_dotted_names() {
        let text = logged("info", Format::Text, || tracing::info!(event.key = "order-1017", "delivered"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("INFO") && text.contains("delivered event.key=\"order-1017\""), "{text}");
    }

    #[test]
    fn libraries_are_held_at_warn_whatever_the_level() {
        let text = logged("trace", Format::Text, || {
            tracing::info!(target: "hyper::client", "POST https://hooks.example/secret");
            tracing::debug!(target: "postrider_kafka::source", "ours");
            tracing::warn!(target: "rustls", "theirs, but worth reading");
        });
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        let text = logged("error", Format::Text, || tracing::warn!(target: "rdkafka", "nothing"));
        assert_eq!(text, "");
    }

    #[test]
    fn a_bad_level_says_which_there_are() {
        let error = targets("loud").unwrap_err();
        assert_eq!(error.to_string(), "`loud` is no log level: use error, warn, info, debug or trace");
    }
}
