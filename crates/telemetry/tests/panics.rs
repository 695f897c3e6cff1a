//! A panic is counted. A binary of its own: the hook is the process'.

use postrider_telemetry::{Registry, panics, spawn};

#[tokio::test]
async fn a_panic_of_a_task_is_counted() {
    let registry = Registry::new();
    panics::install(&registry).unwrap();
    let count = || registry.gather()[0].get_metric()[0].get_counter().get_value();
    assert_eq!(count(), 0.0);
    assert!(spawn("test", async { panic!("on purpose") }).await.unwrap_err().is_panic());
    assert_eq!(count(), 1.0);
}
