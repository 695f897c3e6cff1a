//! Files of the repository, and YAML without ceremony.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use postrider_tests::process::binary;
use yaml_rust2::{Yaml, YamlLoader, yaml::Hash};

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

#[track_caller]
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document of a YAML file, merge keys resolved.
#[track_caller]
pub(crate) fn documents(path: &str) -> Vec<Yaml> {
    let documents = YamlLoader::load_from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    documents.into_iter().map(merged).collect()
}

/// The only document of a YAML file.
#[track_caller]
pub(crate) fn document(path: &str) -> Yaml {
    let mut documents = documents(path);
    assert_eq!(documents.len(), 1, "{path} is one document");
    documents.remove(0)
}

/// `<<` takes in what it names; what is written beside it wins.
fn merged(yaml: Yaml) -> Yaml {
    match yaml {
        Yaml::Hash(hash) => {
            let mut result = Hash::new();
            let merge = Yaml::from_str("<<");
            if let Some(Yaml::Hash(base)) = hash.get(&merge).cloned().map(merged) {
                result.extend(base);
            }
            for (key, value) in hash.into_iter().filter(|(key, _)| *key != merge) {
                result.insert(key, merged(value));
            }
            Yaml::Hash(result)
        }
        Yaml::Array(items) => Yaml::Array(items.into_iter().map(merged).collect()),
        other => other,
    }
}

/// The entries of a map; none of a missing one.
pub(crate) fn entries(yaml: &Yaml) -> Vec<(&str, &Yaml)> {
    let entries = yaml.as_hash().into_iter().flatten();
    entries.map(|(key, value)| (key.as_str().expect("keys are texts"), value)).collect()
}

/// The items of a list; none of a missing one.
pub(crate) fn items(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().map_or(&[], Vec::as_slice)
}

/// The texts of a list; numbers and flags are mistakes there.
#[track_caller]
pub(crate) fn texts(yaml: &Yaml) -> Vec<&str> {
    items(yaml).iter().map(|item| item.as_str().unwrap_or_else(|| panic!("{item:?} is no text"))).collect()
}

/// `35s` or `45`: seconds.
#[track_caller]
pub(crate) fn seconds(text: &str) -> Duration {
    let number = text.trim_end_matches('s');
    Duration::from_secs(number.parse().unwrap_or_else(|_| panic!("{text} are no seconds")))
}

/// Checks a configuration with the real program; `replace` are paths that only exist where it is deployed.
#[track_caller]
pub(crate) fn assert_valid_config(path: &str, replace: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = String::new();
    for line in text(path).lines() {
        match line.split_once(" = ") {
            Some((key, value)) if key.ends_with("_file") && value.contains(replace) => {
                let secret = dir.path().join(key);
                let is_url = key.starts_with("webhook_url");
                fs::write(&secret, if is_url { "https://hooks.example.com/x\n" } else { "a-secret\n" }).unwrap();
                config += &format!("{key} = {:?}\n", secret.display().to_string());
            }
            _ => config += &format!("{line}\n"),
        }
    }
    let file = dir.path().join("postrider.toml");
    fs::write(&file, config).unwrap();
    let output = Command::new(binary()).args(["config", "check", "--config"]).arg(&file).env_clear().output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("lanes: email, slack"), "{path}: {said}");
}

/// Asks the real program whether it knows this command line; nothing is run.
#[track_caller]
pub(crate) fn assert_known_command(arguments: &[&str]) {
    let output = Command::new(binary()).args(arguments).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "postrider {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The lanes' default for a stop, which every grace period has to leave room for, and ten seconds.
pub(crate) fn drain_and_ten() -> Duration {
    let default = text("crates/postrider/src/config/default.toml");
    let drain = default.lines().filter_map(|line| line.strip_prefix("drain_timeout = "));
    drain.map(|value| seconds(value.trim_matches('"'))).max().expect("there is one") + Duration::from_secs(10)
}
