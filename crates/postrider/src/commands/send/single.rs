//! One notification, made from flags.

use serde_json::{Map, Value, json};

use crate::{
    cli::SendArgs,
    failure::Failure,
    output::{self, Table},
};

use super::client::{Client, problem};

/// The notification; null with `--file`. It always has a key, so that it can be sent again.
pub(super) fn body(args: &SendArgs) -> Result<Value, Failure> {
    if args.file.is_some() {
        return Ok(Value::Null);
    }
    let mut event = Map::new();
    let key = args.event_key.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    event.insert("event_key".to_owned(), key.into());
    event.insert("type".to_owned(), args.event_type.clone().into());
    if !args.email_to.is_empty() {
        event.insert("email".to_owned(), email(args)?);
    }
    if !args.slack_to.is_empty() {
        let Some(text) = &args.text else {
            return Err(Failure::usage("--slack-to needs --text"));
        };
        event.insert("slack".to_owned(), json!({ "to": args.slack_to, "text": text }));
    }
    Ok(Value::Object(event))
}

fn email(args: &SendArgs) -> Result<Value, Failure> {
    let mut email = Map::new();
    let to: Vec<_> = args.email_to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
    email.insert("to".to_owned(), to.into());
    for (name, value) in [("subject", &args.subject), ("text", &args.text), ("html", &args.html)] {
        if let Some(value) = value {
            email.insert(name.to_owned(), value.clone().into());
        }
    }
    if args.text.is_none() && args.html.is_none() {
        return Err(Failure::usage("--email-to needs --text or --html"));
    }
    Ok(Value::Object(email))
}

fn mailbox(text: &str) -> Result<Value, Failure> {
    let mailbox =
        crate::config::mailbox(text).map_err(|problem| Failure::usage(format!("--email-to {text:?} {problem}")))?;
    Ok(match mailbox.name {
        Some(name) => json!({ "address": mailbox.address, "name": name }),
        None => json!({ "address": mailbox.address }),
    })
}

/// As it can be pasted into a shell.
fn quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Sends it and prints where it went.
pub(super) async fn send(client: &Client, event: &Value, args: &SendArgs) -> Result<(), Failure> {
    let key = event["event_key"].as_str().unwrap_or_default();
    let again = || format!("to send it again so that nobody gets it twice, add --event-key {}", quoted(key));
    let reply = client.post("v1/notifications", "application/json", event.to_string().into_bytes()).await;
    let reply = reply.map_err(|error| anyhow::anyhow!("{error:#}; {}", again()))?;
    if reply.status.as_u16() != 202 {
        let refused = format!("not accepted, {}", problem(reply.status, &reply.body));
        let text = if reply.is_final() { refused } else { format!("{refused}; {}", again()) };
        return Err(Failure::Failed(anyhow::Error::msg(text)));
    }
    if args.json {
        return Ok(output::print_json(&reply.body)?);
    }
    let body = &reply.body;
    let mut table = Table::new(&["event key", "partition", "offset", "channel", "recipient"]);
    for delivery in body["deliveries"].as_array().into_iter().flatten() {
        let cells =
            [&body["event_key"], &body["partition"], &body["offset"], &delivery["channel"], &delivery["recipient"]];
        table.row(cells.map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)));
    }
    Ok(table.print(false)?)
}
