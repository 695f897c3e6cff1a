//! The configuration in force, for a person: merged, secrets redacted.

use serde_json::{Map, Value};

use super::Layers;

/// The end of the path of every key that holds a secret (not of its `_file` form), every `_` a dot: properties of
/// librdkafka come with dots from a file and with underscores from the environment.
const SECRET_KEYS: [&str; 9] =
    ["password", "passphrase", "token", "secret", "webhook.url", "key", "key.pem", "jaas.config", "oauthbearer.config"];

/// Whether a key holds a secret; `path` with dots.
pub(super) fn is_secret(path: &str) -> bool {
    SECRET_KEYS.iter().any(|secret| path.ends_with(secret))
}

/// As TOML that can be read back, but for the secrets.
pub(crate) fn redacted_toml(layers: &Layers) -> anyhow::Result<String> {
    Ok(toml::to_string_pretty(&redacted_json(layers)?)?)
}

/// As JSON.
pub(crate) fn redacted_json(layers: &Layers) -> anyhow::Result<Value> {
    let mut values = serde_json::to_value(layers.values())?;
    if let Value::Object(root) = &mut values {
        redact(root, "");
    }
    Ok(values)
}

fn redact(values: &mut Map<String, Value>, above: &str) {
    for (key, value) in values {
        let path = format!("{above}.{}", key.to_lowercase().replace('_', "."));
        match value {
            Value::Null => {}
            // Also where a list or a table stands in a secret's place: what is wrong is no less secret.
            _ if is_secret(&path) => *value = Value::from("***"),
            Value::Object(inner) => redact(inner, &path),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| redact(item, &path));
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
