//! What arrives, how often, and what is left in Kafka about it.

use postrider_domain::{ChannelName, Outcome};
use postrider_tests::{LONG, Settings, World, mail};

/// One mail from a record to the server; then its receipt, then the commit.
#[test]
fn a_record_becomes_a_mail_a_receipt_and_a_commit() {
    let world = World::new("one", Settings::default());
    let event = mail("order-1", &["ada@example.com"]);
    world.produce(std::slice::from_ref(&event));
    let processor = world.processor();
    let mails = world.runtime.block_on(world.smtp.wait_for(1, LONG)).unwrap();
    assert_eq!(mails[0].recipients, ["ada@example.com"]);
    world.settled("email");
    assert_eq!(world.outcome(&event, ChannelName::Email, "ada@example.com"), Some(Outcome::Delivered));
    assert_eq!(processor.metrics().count("deliveries_total", &[("lane", "email"), ("outcome", "delivered")]), 1);
    assert_eq!(world.smtp.count(), 1);
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}
