//! A group seen from outside.

use postrider_kafka::{CommitPosition, KafkaError, groups};
use postrider_testkit::kafka::RealKafka;

use crate::support::{Lane, settings, topic, until};

#[test]
fn offsets_are_set_only_while_the_group_is_empty() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "outside", 1, &[]);
    let settings = settings(kafka.bootstrap_servers());
    let position = [CommitPosition { partition: 0, position: 3, metadata: "3".to_owned() }];
    assert!(groups::group_members(&settings, &group).unwrap().is_empty());

    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.until_owns(1);
    assert_eq!(groups::group_members(&settings, &group).unwrap().len(), 1);
    let refused = groups::commit_as_group(&settings, &group, &topic, &position);
    assert!(matches!(refused, Err(KafkaError::GroupNotEmpty { members: 1, .. })), "{refused:?}");

    lane.source.close();
    lane.until("closed", |lane| lane.closed.then_some(()));
    until("the group is empty", || groups::group_members(&settings, &group).unwrap().is_empty().then_some(()));
    groups::commit_as_group(&settings, &group, &topic, &position).unwrap();
    assert_eq!(kafka.committed(&group, &topic).unwrap()[&0], (3, "3".to_owned()));
}
