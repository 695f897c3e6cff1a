//! A panic is counted, and told without what it may quote. A binary of its own: the hook is the process'.

use std::{
    io,
    sync::{Arc, Mutex},
};

use postrider_telemetry::{Registry, panics, spawn};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_of_a_task_is_counted_and_logged_once_without_its_data() {
    let registry = Registry::new();
    panics::install(&registry).unwrap();
    let count = || registry.gather()[0].get_metric()[0].get_counter().get_value();
    assert_eq!(count(), 0.0);

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber); // at info
    let address = "ada@example.com".to_owned();
    assert!(spawn("literal", async { panic!("on purpose") }).await.unwrap_err().is_panic());
    assert!(spawn("formatted", async move { panic!("cannot read {address}") }).await.unwrap_err().is_panic());
    drop(logging);

    assert_eq!(count(), 2.0);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("ERROR").count(), 2, "{text}");
    assert!(text.contains("on purpose") && text.contains("formatted") && text.contains("panics.rs:"), "{text}");
    assert!(!text.contains("ada@"), "{text}");
}
