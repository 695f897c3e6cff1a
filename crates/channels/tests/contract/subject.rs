//! The contract, and what a channel brings to be held to it.

use std::{future::Future, pin::Pin, time::Duration};

use postrider_channels::Channel;
use postrider_domain::{Answer, ChannelName, Delivery, Permit};
use tokio::time::{Instant, timeout};

/// What the provider does with the next attempt; `Accepts` from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Accepts,
    RefusesThisMessage,
    Throttles,
    HasAFault,
    RefusesUs,
    /// Never answers, and cannot have accepted; not every protocol has such a moment.
    HangsBeforeTaking,
    TakesAndHangs,
    TakesAndCloses,
}

/// A channel with a provider that obeys.
pub(crate) trait Subject {
    fn name(&self) -> ChannelName;
    fn channel(&self) -> &dyn Channel;
    fn delivery(&self) -> Delivery;
    fn next(&self, provider: Provider);
    /// Messages the provider was given.
    fn taken(&self) -> usize;
    fn secrets(&self) -> Vec<&'static str>;
}

type Check<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Holds the subject to everything.
pub(crate) async fn keeps_the_contract(subject: &dyn Subject) {
    let checks: [Check<'_>; 4] = [
        Box::pin(describes_itself(subject)),
        Box::pin(classifies(subject)),
        Box::pin(writes_nothing_without_a_permit(subject)),
        Box::pin(may_be_dropped(subject)),
    ];
    for check in checks {
        check.await;
    }
}

async fn describes_itself(subject: &dyn Subject) {
    let channel = subject.channel();
    assert_eq!(channel.name(), subject.name());
    let destinations = channel.destinations();
    assert!(destinations.iter().any(|destination| destination.name == subject.delivery().destination));
    assert!(destinations.iter().all(|destination| destination.capacity >= 1));
    assert!(channel.attempt_deadline() > Duration::ZERO);
    no_secret(subject, &format!("{channel:?}"));
}

/// The table of classes, with timeouts among them: no attempt outlives its own deadline.
async fn classifies(subject: &dyn Subject) {
    for (provider, results) in [
        (Provider::Accepts, &["delivered"][..]),
        (Provider::RefusesThisMessage, &["permanent"]),
        (Provider::Throttles, &["throttled"]),
        (Provider::HasAFault, &["transient"]),
        (Provider::RefusesUs, &["misconfigured"]),
        (Provider::HangsBeforeTaking, &["transient", "delivered"]),
        (Provider::TakesAndHangs, &["unknown"]),
        (Provider::TakesAndCloses, &["unknown"]),
        (Provider::Accepts, &["delivered"]),
    ] {
        subject.next(provider);
        let permit = Permit::always();
        let start = Instant::now();
        let answer = subject.channel().attempt(&subject.delivery(), &permit).await;
        let took = start.elapsed();
        assert!(took < subject.channel().attempt_deadline() + Duration::from_secs(1), "{provider:?} took {took:?}");
        assert!(answer.result().is_some_and(|result| results.contains(&result)), "{provider:?}: {answer:?}");
        let may_have_arrived = matches!(answer, Answer::Delivered { .. } | Answer::Unknown { .. });
        assert!(permit.begun() || !may_have_arrived, "{provider:?}: it reached the provider without a permit");
        no_secret(subject, &format!("{answer:?}"));
    }
}

async fn writes_nothing_without_a_permit(subject: &dyn Subject) {
    let taken = subject.taken();
    let answer = subject.channel().attempt(&subject.delivery(), &Permit::new(|| false)).await;
    assert_eq!(answer, Answer::NotPermitted);
    let revoked = Permit::always();
    assert!(revoked.revoke());
    assert_eq!(subject.channel().attempt(&subject.delivery(), &revoked).await, Answer::NotPermitted);
    assert_eq!(subject.taken(), taken);
}

/// A dropped attempt leaves no half-read conversation to the next, which must hear its own answer.
async fn may_be_dropped(subject: &dyn Subject) {
    subject.next(Provider::TakesAndHangs);
    let (delivery, permit) = (subject.delivery(), Permit::always());
    let cut = timeout(Duration::from_millis(100), subject.channel().attempt(&delivery, &permit)).await;
    assert!(cut.is_err(), "the provider was to hang: {cut:?}");
    subject.next(Provider::RefusesThisMessage);
    let answer = subject.channel().attempt(&delivery, &Permit::always()).await;
    assert_eq!(answer.result(), Some("permanent"), "{answer:?}");
    let answer = subject.channel().attempt(&delivery, &Permit::always()).await;
    assert_eq!(answer.result(), Some("delivered"), "{answer:?}");
}

#[track_caller]
fn no_secret(subject: &dyn Subject, text: &str) {
    for secret in subject.secrets() {
        assert!(!text.contains(secret), "a secret stands in {text}");
    }
}
