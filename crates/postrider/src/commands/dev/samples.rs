//! The demo's notifications: the kinds of things that shops tell people.

use serde_json::{Value, json};

/// A recipient of each mail of its own, so that an arrival can be told apart.
pub(super) fn address(number: u32) -> String {
    format!("demo-{number}@example.com")
}

/// The number in a recipient's address.
pub(super) fn number_in_address(address: &str) -> Option<u32> {
    address.strip_prefix("demo-")?.split('@').next()?.parse().ok()
}

/// The number in a Slack message's text.
pub(super) fn number_in_text(text: &str) -> Option<u32> {
    text.strip_prefix("Order ")?.split(' ').next()?.parse().ok()
}

/// Two mails of three, the rest Slack; every seventh both; every tenth mail with an attachment. `run` makes the
/// keys of one demo differ from those of the next.
pub(super) fn notification(number: u32, run: &str, destination: &str) -> Value {
    let mut event = json!({
        "event_key": format!("demo-{run}-{number}"),
        "type": "demo.order.shipped",
        "metadata": { "demo": run },
    });
    let slack_only = number % 3 == 2;
    if !slack_only {
        event["email"] = email(number);
    }
    if slack_only || number.is_multiple_of(7) {
        let text = format!("Order {number} has left the warehouse :package:");
        event["slack"] = json!({ "to": [destination], "text": text });
    }
    event
}

fn email(number: u32) -> Value {
    let mut email = json!({
        "to": [{ "address": address(number), "name": NAMES[number as usize % NAMES.len()] }],
        "subject": format!("Your order {number} is on its way"),
        "text": format!("Hello,\n\nyour order {number} left our warehouse a moment ago and should be with you tomorrow.\n"),
        "html": format!(
            "<h1 style=\"font: 600 20px sans-serif\">On its way</h1>\
             <p style=\"font: 15px sans-serif\">Your order <b>{number}</b> left our warehouse a moment ago \
             and should be with you tomorrow.</p>"
        ),
    });
    if number.is_multiple_of(10) {
        // base64 of "Order,Item,Price\n1,Field notes,7.50\n"
        email["attachments"] = json!([{
            "filename": "invoice.csv",
            "content_type": "text/csv",
            "content": "T3JkZXIsSXRlbSxQcmljZQoxLEZpZWxkIG5vdGVzLDcuNTAK",
        }]);
    }
    email
}

const NAMES: [&str; 6] =
    ["Ada Lovelace", "Grace Hopper", "Радия Перлман", "鈴木 光", "Zoë Ångström", "Katherine Johnson"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_can_be_recognised_when_it_arrives() {
        for number in 0..21 {
            let event = notification(number, "x", "ops");
            if let Some(to) = event["email"]["to"][0]["address"].as_str() {
                assert_eq!(number_in_address(to), Some(number));
            }
            if let Some(text) = event["slack"]["text"].as_str() {
                assert_eq!(number_in_text(text), Some(number));
            }
            assert!(event["email"].is_object() || event["slack"].is_object());
        }
    }
}
