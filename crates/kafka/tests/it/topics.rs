//! Topics made and checked.

use std::time::Duration;

use postrider_domain::LaneName;
use postrider_kafka::topics::{Change, Kept, LaneTopics, Severity, TopicPlan, apply, check, check_lane};
use postrider_testkit::kafka::RealKafka;

use crate::support::settings;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn plan(events: String) -> TopicPlan {
    TopicPlan {
        events,
        partitions: 3,
        replication_factor: -1,
        retention: DAY * 7,
        give_up_after: DAY,
        body_max: 10 * 1024 * 1024,
        lanes: vec![LaneName::new("email"), LaneName::new("slack")],
    }
}

#[tokio::test]
async fn applying_twice_changes_nothing_and_check_agrees() {
    let kafka = RealKafka::shared();
    let settings = settings(kafka.bootstrap_servers());
    let plan = plan(kafka.unique("apply"));
    let missing = check(&settings, &plan).await.unwrap();
    assert_eq!(missing.len(), 4, "{missing:?}");
    assert!(missing.iter().all(|problem| problem.severity == Severity::Error));

    assert_eq!(apply(&settings, &plan, true).await.unwrap().len(), 4);
    assert_eq!(check(&settings, &plan).await.unwrap().len(), 4, "a dry run does nothing");
    assert_eq!(apply(&settings, &plan, false).await.unwrap().len(), 4);
    assert_eq!(apply(&settings, &plan, false).await.unwrap(), []);
    let left = check(&settings, &plan).await.unwrap();
    assert!(
        left.iter().all(|problem| problem.severity == Severity::Warning && problem.detail.contains("replicas")),
        "{left:?}"
    );
    let found = check_lane(&settings, &plan, &plan.lanes[0]).await.unwrap();
    assert_eq!((found.refused, found.kept), (Vec::new(), plan.kept_as_planned()));

    let described = kafka
        .tool("org.apache.kafka.tools.TopicCommand", &["--describe", "--topic", &plan.ledger_topic(&plan.lanes[0])]);
    let described = described.unwrap();
    for setting in [
        "retention.ms=781200000",
        "cleanup.policy=compact,delete",
        "message.timestamp.type=LogAppendTime",
        "segment.ms=3600000",
        "max.message.bytes=10616832",
    ] {
        assert!(described.contains(setting), "{setting} in {described}");
    }
}

/// A topic that others made, or a lane that is added later: its ledger fits the events, whatever is wished.
#[tokio::test]
async fn a_ledger_gets_as_many_partitions_as_its_events_have() {
    let kafka = RealKafka::shared();
    let settings = settings(kafka.bootstrap_servers());
    let plan = TopicPlan { partitions: 2, ..plan(kafka.unique("fitting")) };
    kafka.create_topic(&plan.events, 3, &[("message.timestamp.type", "LogAppendTime")]).unwrap();
    let changes = apply(&settings, &plan, false).await.unwrap();
    let made = |change: &Change| match change {
        Change::Created { partitions, .. } => Some(*partitions),
        Change::Set { .. } => None,
    };
    assert_eq!(changes.iter().filter_map(made).collect::<Vec<_>>(), [3, 3, 3], "{changes:?}");
    let left = check(&settings, &plan).await.unwrap();
    assert!(left.iter().all(|problem| problem.severity == Severity::Warning), "{left:?}");
}

/// Scripts run one after the other: what apply has made is there when it is done, however slow the broker tells of it.
#[tokio::test]
async fn what_was_applied_is_there_at_once() {
    let kafka = RealKafka::shared();
    let settings = settings(kafka.bootstrap_servers());
    for _ in 0..5 {
        let plan = TopicPlan { partitions: 24, ..plan(kafka.unique("prompt")) };
        assert_eq!(apply(&settings, &plan, false).await.unwrap().len(), 4);
        let left = check(&settings, &plan).await.unwrap();
        assert!(left.iter().all(|problem| problem.severity == Severity::Warning), "{left:?}");
    }
}

#[tokio::test]
async fn longer_and_larger_stays_what_breaks_a_promise_is_refused_and_mended() {
    let kafka = RealKafka::shared();
    let settings = settings(kafka.bootstrap_servers());
    let plan = plan(kafka.unique("mend"));
    kafka
        .create_topic(
            &plan.events,
            3,
            &[("retention.ms", "2592000000"), ("message.timestamp.type", "LogAppendTime"), ("flush.ms", "60000")],
        )
        .unwrap();
    let ledger = plan.ledger_topic(&plan.lanes[0]);
    let by_hand = [("cleanup.policy", "compact"), ("segment.bytes", "104857600"), ("retention.bytes", "1000000")];
    kafka.create_topic(&ledger, 2, &by_hand).unwrap();
    apply(&settings, &TopicPlan { lanes: vec![plan.lanes[1].clone()], ..plan.clone() }, false).await.unwrap();

    let refused = check_lane(&settings, &plan, &plan.lanes[0]).await.unwrap().refused;
    for part in ["2 partitions", "cleanup.policy", "message.timestamp.type", "retention.ms", "retention.bytes"] {
        assert!(
            refused.iter().any(|problem| problem.topic == ledger && problem.detail.contains(part)),
            "{part}: {refused:?}"
        );
    }
    let changes = apply(&settings, &plan, false).await.unwrap();
    // The events are kept for 30 days by hand: that stays, and the ledger must keep its receipts for longer.
    assert!(
        !changes.iter().any(|change| matches!(change, Change::Set { topic, .. } if *topic == plan.events)),
        "{changes:?}"
    );
    let retention = changes.iter().find_map(|change| match change {
        Change::Set { topic, setting, after, .. } if *topic == ledger && setting == "retention.ms" => {
            Some(after.clone())
        }
        Change::Set { .. } | Change::Created { .. } => None,
    });
    assert_eq!(retention.as_deref(), Some("2768400000"));
    let LaneTopics { refused: left, kept } = check_lane(&settings, &plan, &plan.lanes[0]).await.unwrap();
    let hour = Duration::from_secs(3_600);
    assert_eq!(kept, Kept { events: DAY * 30, receipts: DAY * 32 + hour }, "the lane reckons with what there is");
    assert_eq!(left.len(), 1, "only the partitions cannot be mended: {left:?}");
    let described = kafka.tool("org.apache.kafka.tools.TopicCommand", &["--describe", "--topic", &ledger]).unwrap();
    assert!(described.contains("segment.bytes=104857600") && described.contains("PartitionCount: 2"), "{described}");
}

/// It works, but what is held back must be settled before its event goes, not a week later.
#[tokio::test]
async fn a_topic_that_keeps_its_events_shorter_than_wished_is_believed() {
    let kafka = RealKafka::shared();
    let settings = settings(kafka.bootstrap_servers());
    let plan = plan(kafka.unique("shorter"));
    apply(&settings, &plan, false).await.unwrap();
    let (hour, for_ever) = (DAY / 24, Duration::from_millis(u64::MAX / 2));
    for (retention, events) in [("86400000", DAY), ("3600000", hour), ("-1", for_ever)] {
        let change = format!("retention.ms={retention}");
        let entity = ["--alter", "--entity-type", "topics", "--entity-name", &plan.events, "--add-config", &change];
        kafka.tool("kafka.admin.ConfigCommand", &entity).unwrap();
        let believed = async {
            loop {
                let LaneTopics { refused, kept } = check_lane(&settings, &plan, &plan.lanes[0]).await.unwrap();
                if kept.events == events {
                    break (refused, kept);
                }
            }
        };
        let shown_within = Duration::from_secs(30); // a broker tells of it some time after the controller
        let (refused, kept) = tokio::time::timeout(shown_within, believed).await.expect("the lane believes it");
        assert!(plan.kept_as_planned().receipts <= kept.receipts, "{kept:?}");
        assert_eq!(refused.is_empty(), events == DAY, "{events:?}: too short, or longer than receipts: {refused:?}");
    }
}
