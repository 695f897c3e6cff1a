//! The configuration in force, for a person: merged, secrets redacted.

use serde_json::{Map, Value};

use super::Layers;

/// The end of the name of every key that holds a secret (not of its `_file` form).
const SECRET_KEYS: [&str; 8] =
    ["password", "token", "secret", "webhook_url", "key", "key.pem", "jaas.config", "oauthbearer.config"];

/// As TOML that can be read back, but for the secrets.
pub(crate) fn redacted_toml(layers: &Layers) -> anyhow::Result<String> {
    Ok(toml::to_string_pretty(&redacted_json(layers)?)?)
}

/// As JSON.
pub(crate) fn redacted_json(layers: &Layers) -> anyhow::Result<Value> {
    let mut values = serde_json::to_value(layers.values())?;
    if let Value::Object(root) = &mut values {
        redact(root);
    }
    Ok(values)
}

fn redact(values: &mut Map<String, Value>) {
    for (key, value) in values {
        match value {
            Value::Object(inner) => redact(inner),
            Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(redact),
            Value::String(_) | Value::Number(_) | Value::Bool(_) if is_secret(key) => *value = Value::from("***"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_KEYS.iter().any(|secret| key.ends_with(secret))
}
