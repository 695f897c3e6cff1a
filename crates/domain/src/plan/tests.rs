use super::*;
use crate::{event::Address, time::Timestamp};

fn planner(channel: ChannelName) -> Planner {
    Planner {
        channel,
        destinations: vec![DestinationName::new("ops")],
        channels_served: ChannelName::ALL.into_iter().collect(),
        reports_unroutable: true,
        recipients_allowed: vec!["*@example.com".into()],
    }
}

fn to(addresses: &[&str]) -> Vec<Address> {
    addresses.iter().map(|address| Address { address: (*address).into(), name: None }).collect()
}

fn event(email: Option<Email>, slack: Option<Slack>) -> Notification {
    Notification {
        source: "shop".into(),
        event_key: "order-1".into(),
        event_type: "order.shipped".into(),
        occurred_at: Timestamp(0),
        not_before: None,
        expires_at: None,
        template: None,
        email,
        slack,
        metadata: Default::default(),
    }
}

fn verdicts(plan: Plan) -> Vec<(String, &'static str)> {
    let Plan::Deliveries(planned) = plan else { panic!("{plan:?}") };
    let name = |verdict: &Verdict| match verdict {
        Verdict::Send => "send",
        Verdict::Skip => "skip",
        Verdict::Doomed(reason, _) => reason.as_str(),
    };
    planned.iter().map(|delivery| (delivery.recipient.to_string(), name(&delivery.verdict))).collect()
}

#[test]
fn repeats_across_to_cc_and_bcc_are_one_delivery_and_a_bad_address_is_dead_by_itself() {
    let email = Email {
        to: to(&["ada@example.com", "not an address"]),
        cc: to(&["ada@EXAMPLE.com"]),
        bcc: to(&["bob@other.org", "Ada@example.com"]),
        ..Email::default()
    };
    let expected = [
        ("ada@example.com", "send"),
        ("not an address", "invalid_address"),
        ("bob@other.org", "skip"),
        ("Ada@example.com", "send"),
    ];
    let plan = planner(ChannelName::Email).plan(&event(Some(email), None));
    assert_eq!(verdicts(plan), expected.map(|(recipient, verdict)| (recipient.to_owned(), verdict)));
}

#[test]
fn slack_destinations_must_be_configured() {
    let slack = Slack { to: vec!["ops".into(), "nobody".into(), "ops".into()], ..Slack::default() };
    let plan = planner(ChannelName::Slack).plan(&event(None, Some(slack)));
    assert_eq!(verdicts(plan), [("ops".to_owned(), "send"), ("nobody".to_owned(), "unknown_destination")]);
}

#[test]
fn an_event_for_nobody_is_reported_by_one_lane() {
    let for_slack = event(None, Some(Slack { to: vec!["ops".into()], ..Slack::default() }));
    let mut planner = planner(ChannelName::Email);
    assert_eq!(planner.plan(&for_slack), Plan::NotForLane);
    let for_nobody = event(Some(Email::default()), None);
    assert!(matches!(planner.plan(&for_nobody), Plan::Refused(DeadReason::NoDeliveries, _)));
    planner.channels_served.remove(&ChannelName::Slack);
    assert!(matches!(planner.plan(&for_slack), Plan::Refused(DeadReason::NoDeliveries, _)));
    planner.reports_unroutable = false;
    assert_eq!(planner.plan(&for_nobody), Plan::NotForLane);
}

#[test]
fn a_template_is_refused_delivery_by_delivery() {
    let mut event = event(Some(Email { to: to(&["ada@example.com"]), ..Email::default() }), None);
    event.template = Some(crate::event::Template { name: "hello".into(), locale: None, data: "{}".into() });
    let plan = planner(ChannelName::Email).plan(&event);
    assert_eq!(verdicts(plan), [("ada@example.com".to_owned(), "unsupported")]);
}
