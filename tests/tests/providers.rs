//! Providers that misbehave: nothing is lost, nothing counts as sent that was not, and nobody else waits.

use std::{collections::BTreeMap, time::Duration};

use postrider_domain::{ChannelName, DeadReason, Outcome};
use postrider_testkit::{
    kafka::RealKafka,
    slack::Reply,
    smtp::{Act, CertificateName, SmtpOptions, Stage, Tls},
};
use postrider_tests::{
    LONG, Process, Settings, World, mail, slack,
    wait::{holds_for, wait_until},
};

/// A way to misbehave towards one recipient.
struct Trick {
    name: &'static str,
    stage: Stage,
    act: Act,
    /// How often; none: until the server is told to behave. What ends unknown may be repeated only once.
    times: Option<u32>,
    /// Copies that the server took in the end.
    copies: usize,
}

fn tricks() -> Vec<Trick> {
    let slow = Duration::from_secs(1);
    let garbage = || Act::Raw(b"\x00\xffSSH-2.0-not-smtp\r\n".to_vec());
    let standing = |name, stage, act| Trick { name, stage, act, times: None, copies: 1 };
    let once = |name, act, copies| Trick { name, stage: Stage::Dot, act, times: Some(1), copies };
    vec![
        standing("hangs-at-rcpt", Stage::Rcpt, Act::Hang),
        standing("hangs-at-data", Stage::Data, Act::Hang),
        standing("drips-at-rcpt", Stage::Rcpt, Act::Drip(slow)),
        standing("drips-at-data", Stage::Data, Act::Drip(slow)),
        standing("garbage-at-rcpt", Stage::Rcpt, garbage()),
        standing("closes-at-rcpt", Stage::Rcpt, Act::Close),
        standing("closes-before-dot", Stage::Body, Act::Close),
        standing("greylists", Stage::Rcpt, Act::reply("450 4.2.0 Greylisted")),
        standing("defers-at-dot", Stage::Dot, Act::reply("451 4.3.0 Try again")),
        once("hangs-at-dot", Act::Hang, 1),
        once("closes-at-dot", Act::Close, 1),
        once("garbage-at-dot", garbage(), 1),
        once("stores-and-closes", Act::StoreAndClose, 2),
        once("stores-and-drips", Act::Drip(slow), 2),
        Trick { name: "refuses", stage: Stage::Dot, act: Act::reply("554 5.7.1 No"), times: None, copies: 0 },
    ]
}

fn to(name: &str) -> String {
    format!("{name}@example.com")
}

#[test]
fn a_mail_server_with_every_vice_loses_nothing_and_fools_nobody() {
    const GOOD: usize = 50;
    let world = World::new("vices", Settings { connections_max: 20, ..Settings::default() });
    let tricks = tricks();
    for trick in &tricks {
        let address = to(trick.name);
        let rule = world.smtp.on(trick.stage).recipient(&address);
        match trick.times {
            Some(times) => rule.times(times).act(trick.act.clone()),
            None => rule.act(trick.act.clone()),
        }
    }
    let mut events: Vec<_> = tricks.iter().map(|trick| mail(trick.name, &[&to(trick.name)])).collect();
    events.extend((0..GOOD).map(|n| mail(&format!("good-{n}"), &[&to(&format!("good-{n}"))])));
    world.produce(&events);
    let lane = world.lane(Duration::from_millis(1_500));

    // The good ones arrive while the bad ones go on being bad.
    let copies = || -> BTreeMap<String, usize> {
        let mut copies = BTreeMap::new();
        world.smtp.mails().iter().for_each(|mail| *copies.entry(mail.recipients[0].clone()).or_default() += 1);
        copies
    };
    wait_until("everybody else is served", LONG, || {
        (0..GOOD).all(|n| copies().contains_key(&to(&format!("good-{n}"))))
    });
    let standing: Vec<_> = tricks.iter().filter(|trick| trick.times.is_none() && trick.copies == 1).collect();
    let transient = || lane.metrics().count("attempts_total", &[("result", "transient")]);
    wait_until("the bad ones were tried three times", LONG, || {
        3 * standing.len() <= usize::try_from(transient()).unwrap()
    });
    for trick in &standing {
        assert!(!copies().contains_key(&to(trick.name)), "{} took the mail", trick.name);
        assert_eq!(world.outcome(&mail(trick.name, &[]), ChannelName::Email, &to(trick.name)), None, "{}", trick.name);
    }
    world.smtp.behave();
    world.settled("email");

    let receipts = world.ledger("email").receipts;
    assert_eq!(receipts.len(), events.len());
    for trick in &tricks {
        let expected = if trick.copies == 0 { Outcome::Dead } else { Outcome::Delivered };
        let outcome = world.outcome(&mail(trick.name, &[]), ChannelName::Email, &to(trick.name));
        assert_eq!(outcome, Some(expected), "{}", trick.name);
        assert_eq!(copies().get(&to(trick.name)).copied().unwrap_or(0), trick.copies, "copies: {}", trick.name);
    }
    assert!((0..GOOD).all(|n| copies()[&to(&format!("good-{n}"))] == 1));
    assert_eq!(world.copies().len(), events.len() - 1, "all copies of a mail bear one Message-ID");
    assert_eq!(world.dead_reasons(), [DeadReason::Rejected]);
    let metrics = lane.metrics();
    assert_eq!(metrics.count("ambiguous_sends_total", &[]), 5, "one for each lost reply");
    assert_eq!(metrics.count("attempts_total", &[("result", "unknown")]), 5);
    assert_eq!(
        metrics.count("deliveries_total", &[("outcome", "delivered")]),
        u64::try_from(events.len() - 1).unwrap()
    );
    lane.stop();
}

/// A reply that is lost again and again is not risked more often than the operator allows.
#[test]
fn a_reply_that_is_always_lost_ends_as_unknown() {
    let world = World::new("unknown", Settings { unknown_retries: 1, ..Settings::default() });
    world.smtp.on(Stage::Dot).recipient(&to("ada")).act(Act::StoreAndClose);
    world.produce(&[mail("lost", &[&to("ada")])]);
    let processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.count(), 2);
    assert_eq!(world.copies().len(), 1, "both bear one Message-ID");
    assert_eq!(world.dead_reasons(), [DeadReason::Unknown]);
    assert_eq!(processor.metrics().count("ambiguous_sends_total", &[]), 2);
}

/// Credentials that are refused stop the destination with one loud line, burn nothing, and are tried again by themselves.
#[test]
fn refused_credentials_stop_the_destination_until_they_are_mended() {
    let credentials = ("postrider".to_owned(), "the-right-password".to_owned());
    let options = SmtpOptions { credentials: Some(credentials.clone()), ..SmtpOptions::default() };
    let settings =
        Settings { credentials: Some(credentials), give_up_after: Duration::from_secs(5), ..Settings::default() };
    let world = World::with(RealKafka::shared(), "refused", settings, options);
    world.smtp.on(Stage::Auth).act(Act::reply("535 5.7.8 Authentication credentials invalid"));
    let events: Vec<_> = (0..20).map(|n| mail(&format!("order-{n}"), &[&to("ada")])).collect();
    world.produce(&events);
    let processor = world.processor();
    let stopped = || processor.metrics().sum("destination_stopped", &[("lane", "email")]) == 1.0;
    wait_until("the destination is stopped", LONG, stopped);
    let lines = || processor.logs().of("ERROR", "destination stopped").len();
    // Longer than give_up_after: time during which the fault is ours does not count.
    holds_for("it stands still, with one line", Duration::from_secs(8), || {
        lines() <= 1 && world.dead_letters().is_empty()
    });
    assert_eq!(lines(), 1);
    check_remedy(&processor, &["check email.username and email.password_file", "`postrider test email --to"]);

    world.smtp.behave();
    world.settled_within("email", Duration::from_secs(100));
    assert_eq!(world.smtp.count(), events.len());
    let receipts = world.ledger("email").receipts;
    assert!(
        receipts.values().all(|receipt| receipt.outcome == Outcome::Delivered && receipt.attempts == 1),
        "{receipts:?}"
    );
    assert!(!stopped());
    assert_eq!(processor.logs().of("INFO", "works again").len(), 1);
    processor.logs().assert_silent_about(&["the-right-password", "example.com", "order-0 "]);
}

/// One loud line, and in it what to mend and how to see more; nothing is dead.
#[track_caller]
fn check_remedy(processor: &Process, words: &[&str]) {
    let lines = processor.logs().of("ERROR", "destination stopped");
    assert_eq!(lines.len(), 1, "one loud line");
    let text = lines[0]["message"].as_str().expect("a message");
    assert!(words.iter().all(|word| text.contains(word)), "the line says what to mend: {text}");
    assert_eq!(processor.metrics().count("dead_letters_total", &[]), 0);
}

#[test]
fn a_certificate_for_another_name_stops_the_destination_and_the_line_says_so() {
    let options = SmtpOptions { tls: Tls::Starttls, certificate: CertificateName::Wrong, ..SmtpOptions::default() };
    let settings = Settings { email_tls: true, ..Settings::default() };
    let world = World::with(RealKafka::shared(), "name", settings, options);
    world.produce(&[mail("order-1", &[&to("ada")]), mail("order-2", &[&to("bob")])]);
    let processor = world.processor();
    let stopped = || processor.metrics().sum("destination_stopped", &[("destination", "relay")]) == 1.0;
    wait_until("the destination is stopped", LONG, stopped);
    let words = ["the certificate of 127.0.0.1 is for another name", "set email.host", "`postrider test email --to"];
    check_remedy(&processor, &words);
    assert_eq!(world.smtp.count(), 0);
    processor.logs().assert_silent_about(&["ada@", "bob@", "other.example.com"]);
}

#[test]
fn a_token_that_slack_refuses_stops_its_destination_alone_and_the_line_says_so() {
    let names = ["ops", "sales"];
    let settings = Settings { slack: names.map(str::to_owned).to_vec(), email: false, ..Settings::default() };
    let world = World::new("token", settings);
    world.slack.always("ops", Reply::api_error("invalid_auth"));
    world.produce(&names.map(|name| slack(&format!("for-{name}"), &[name])));
    let processor = world.processor();
    let stopped = |name| processor.metrics().sum("destination_stopped", &[("destination", name)]);
    wait_until("the destination is stopped", LONG, || stopped("ops") == 1.0);
    wait_until("the other is served", LONG, || world.slack.posted("sales").len() == 1);
    check_remedy(&processor, &["Slack says invalid_auth", "webhook_url_file", "`postrider test slack ops`"]);
    assert_eq!(stopped("sales"), 0.0);
}

#[test]
fn slack_in_every_mood() {
    let names = ["throttles", "page", "fails", "refuses", "closes", "hears", "fine"];
    let settings = Settings { slack: names.map(str::to_owned).to_vec(), email: false, ..Settings::default() };
    let world = World::new("slack", settings);
    let login_page = Reply::html(200);
    world.slack.script("throttles", [Reply::throttled(3)]);
    world.slack.script("page", [login_page.clone(), login_page]);
    world.slack.script("fails", [Reply::webhook_error(500, "rollup_error"), Reply::Garbage]);
    world.slack.always("refuses", Reply::api_error("channel_not_found"));
    world.slack.script("closes", [Reply::CloseUnread]);
    world.slack.script("hears", [Reply::CloseAfterReading]);
    let events: Vec<_> = names.iter().map(|name| slack(&format!("for-{name}"), &[name])).collect();
    world.produce(&events);
    let processor = world.processor();
    wait_until("the others are served", LONG, || world.slack.posted("fine").len() == 1);
    world.settled("slack");
    for (event, name) in events.iter().zip(names) {
        let expected = if name == "refuses" { Outcome::Dead } else { Outcome::Delivered };
        assert_eq!(world.outcome(event, ChannelName::Slack, name), Some(expected), "{name}");
    }
    let posted: Vec<_> = names.iter().map(|name| world.slack.posted(name).len()).collect();
    assert_eq!(posted[0], 1);
    assert_eq!(posted[1..5], [1, 1, 0, 1]);
    assert_eq!(posted[5], 2, "a lost reply is risked once more");
    let requests = world.slack.messages();
    let mut throttled = requests.iter().filter(|request| request.destination == "throttles").map(|request| request.at);
    let (first, second) = (throttled.next().unwrap(), throttled.next().unwrap());
    assert!(Duration::from_secs(3) <= second - first, "Retry-After was not obeyed: {:?}", second - first);
    assert_eq!(world.dead_reasons(), [DeadReason::Rejected]);
    processor.logs().assert_silent_about(&["/services/", "B00000000", "The text of"]);
}
