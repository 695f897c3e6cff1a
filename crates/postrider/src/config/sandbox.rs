//! What `postrider dev` puts in the place of everything that points outside.

use std::collections::BTreeSet;

use figment::value::{Dict, Value};

/// Below the user's layers: a sender, where none is configured.
pub(super) const BELOW: &str = "[email]\nfrom = \"Postrider <postrider@localhost>\"\n";

/// What may stay of the user's `[email]`: it says how mails look and who gets them, not where they go.
const EMAIL_KEPT: [&str; 3] = ["from", "recipients_allowed", "connections_max"];
/// Destinations where none is configured.
const DESTINATIONS: [&str; 2] = ["ops", "sales"];

/// Takes out of the layers what points outside, and says how the Slack destinations were called.
pub(super) fn take_out(layers: &mut [&mut Dict]) -> BTreeSet<String> {
    let mut destinations = BTreeSet::new();
    for values in layers {
        values.remove("kafka");
        if let Some(Value::Dict(_, ingest)) = values.get_mut("ingest") {
            ingest.remove("keys");
        }
        if let Some(Value::Dict(_, email)) = values.get_mut("email") {
            email.retain(|key, _| EMAIL_KEPT.contains(&key.as_str()));
        }
        if let Some(Value::Dict(_, mut slack)) = values.remove("slack")
            && let Some(Value::Dict(_, found)) = slack.remove("destinations")
        {
            destinations.extend(found.into_keys());
        }
    }
    if destinations.is_empty() { DESTINATIONS.map(str::to_owned).into() } else { destinations }
}

/// Above the user's layers: the sandbox's ends. Their ports are not known yet; whoever starts them fills them in.
pub(super) fn above(destinations: &BTreeSet<String>) -> Dict {
    let webhook = |name: &String| {
        let url = Value::from(format!("http://127.0.0.1/slack/webhook/{name}"));
        (name.clone(), Value::from(Dict::from([("webhook_url".to_owned(), url)])))
    };
    let destinations: Dict = destinations.iter().map(webhook).collect();
    let email = Dict::from([("host".to_owned(), Value::from("127.0.0.1")), ("tls".to_owned(), Value::from("none"))]);
    let slack = Dict::from([("destinations".to_owned(), Value::from(destinations))]);
    Dict::from([("email".to_owned(), Value::from(email)), ("slack".to_owned(), Value::from(slack))])
}
