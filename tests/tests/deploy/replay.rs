//! The section "Replay" of docs/OPERATIONS.md, step by step, with the commands as they stand there, on a real Kafka.

use postrider_tests::{LONG, Settings, World, events::event, mail};

use crate::{operations::PAPER, tree::text};

/// The commands of Kafka's tools in a part of the paper, in its order.
fn commands(part: &str) -> Vec<String> {
    let lines = part.lines().map(|line| line.trim().trim_start_matches("$ "));
    lines.filter(|line| line.starts_with("kafka-") && line.contains(".sh ")).map(str::to_owned).collect()
}

fn section(heading: &str) -> String {
    let paper = text(PAPER);
    let (_, rest) = paper.split_once(&format!("\n## {heading}\n")).expect("the paper has the section");
    rest.split("\n## ").next().unwrap().to_owned()
}

/// Runs one of the paper's commands against the world's topic in the place of `notifications`.
fn try_run(world: &World, command: &str) -> anyhow::Result<String> {
    let mut words = command.split_whitespace();
    let class = match words.next() {
        Some("kafka-consumer-groups.sh") => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        Some("kafka-topics.sh") => "org.apache.kafka.tools.TopicCommand",
        Some("kafka-console-consumer.sh") => "org.apache.kafka.tools.consumer.ConsoleConsumer",
        other => anyhow::bail!("{other:?} is not run here"),
    };
    let arguments: Vec<_> = words.map(|word| word.replace("notifications", &world.topic)).collect();
    anyhow::ensure!(arguments[0] == "--bootstrap-server", "{command}");
    let arguments: Vec<_> = arguments[2..].iter().map(String::as_str).collect();
    world.kafka.tool(class, &arguments)
}

#[track_caller]
fn run(world: &World, command: &str) -> String {
    try_run(world, command).unwrap_or_else(|error| panic!("{command}: {error:#}"))
}

/// The number in the column of that name, by partition.
fn column(table: &str, name: &str) -> Vec<(i32, i64)> {
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let headings = rows.find(|row| row.contains(&"PARTITION")).unwrap_or_else(|| panic!("no table in {table}"));
    let at = |name: &str| headings.iter().position(|heading| *heading == name).expect("the column is there");
    let (partition, value) = (at("PARTITION"), at(name));
    let rows = rows.filter(|row| row.len() > value);
    let mut found: Vec<_> =
        rows.filter_map(|row| Some((row[partition].parse().ok()?, row[value].parse().ok()?))).collect();
    found.sort_unstable();
    found
}

#[test]
fn resetting_offsets_reads_again_and_sends_nothing_twice() {
    let steps = commands(&section("Replay"));
    let [empty, plan, execute, after] = steps.as_slice() else { panic!("other steps than before: {steps:#?}") };
    let world = World::new("replay", Settings { partitions: 3, ..Settings::default() });
    let events: Vec<_> = (0..30).map(|n| mail(&format!("order-{n}"), &["ada@example.com"])).collect();
    world.produce(&events);
    let processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.count(), 30);

    // 1: with members Kafka refuses; so the lane is stopped.
    let refused = try_run(&world, execute).expect_err("Kafka resets a group that has members");
    assert!(format!("{refused:#}").contains("inactive"), "{refused:#}");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");

    // 2: where it stands.
    let before = column(&run(&world, empty), "CURRENT-OFFSET");
    assert_eq!(before.iter().map(|(_, offset)| offset).sum::<i64>(), 30, "{before:?}");

    // 3: the plan changes nothing. 4: then it is done.
    let planned = column(&run(&world, plan), "NEW-OFFSET");
    assert_eq!(planned, [(0, 0), (1, 0), (2, 0)], "all events are younger than two days");
    assert_eq!(world.committed("email").into_iter().collect::<Vec<_>>(), before);
    assert_eq!(column(&run(&world, execute), "NEW-OFFSET"), planned);
    assert!(world.committed("email").values().all(|offset| *offset == 0));

    // 5: a hole is filled, nothing is repeated.
    world.produce(&[mail("order-late", &["ada@example.com"])]);
    let processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.count(), 31, "one that was missing, and none twice");
    let metrics = processor.metrics();
    assert_eq!(metrics.count("duplicates_suppressed_total", &[("lane", "email"), ("stage", "ledger")]), 30);
    assert!(column(&run(&world, after), "LAG").iter().all(|(_, lag)| *lag == 0));
}

/// The paper's other commands of Kafka's tools: they are looked at at night, so they have to work.
#[test]
fn the_commands_of_the_runbooks_run() {
    let mut seen = commands(&section("Watch"));
    seen.extend(commands(&section("Runbooks")));
    seen.sort();
    seen.dedup();
    assert!(seen.len() >= 5, "{seen:#?}");
    let world = World::new("runbook", Settings { partitions: 1, slack: vec!["ops".to_owned()], ..Settings::default() });
    world.produce(&[event("order-1")]);
    let processor = world.processor();
    world.settled("email");
    let healthy = world.run(&["health", "--url", &format!("http://{}/readyz", processor.admin())]);
    assert!(healthy.status.success(), "{healthy:?}");
    for command in &seen {
        // The record of the example lies where this world has one.
        let command = command.replace("--partition 2 --offset 5", "--partition 0 --offset 0");
        let said = run(&world, &command);
        if command.contains("kafka-consumer-groups.sh") {
            assert!(said.contains(&world.group("email")), "{command}: {said}");
        }
        if command.contains("kafka-console-consumer.sh") {
            assert!(said.contains("order-1"), "{command}: {said}");
        }
    }
    drop(processor);
}
