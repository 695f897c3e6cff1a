//! The floors of the house, read from `cargo metadata`: a crate uses only crates of lower floors, and the heavy
//! libraries stay in the rooms they belong to.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// Every crate of the workspace and its floor. The two test crates stand outside: they may use what they test.
const FLOORS: &[(&str, u8)] = &[
    ("postrider-domain", 0),
    ("postrider-wire", 1),
    ("postrider-telemetry", 1),
    ("postrider-channels", 1),
    ("postrider-kafka", 2),
    ("postrider-ingest", 3),
    ("postrider-processor", 3),
    ("postrider-sandbox", 3),
    ("postrider", 4),
];
const TEST_CRATES: &[&str] = &["postrider-testkit", "postrider-tests"];

/// A library and the only crates that may depend on it (test crates always may).
const ROOMS: &[(&str, &[&str])] = &[
    ("rdkafka", &["postrider-kafka", "postrider-sandbox"]),
    ("lettre", &["postrider-channels"]),
    ("reqwest", &["postrider-channels", "postrider"]),
    ("anyhow", &["postrider"]),
    ("apache-avro", &["postrider-wire"]),
    ("clap", &["postrider"]),
    ("figment", &["postrider"]),
];

/// What the pure core must never see, directly or through another crate.
const NEVER_UNDER_DOMAIN: &[&str] =
    &["tokio", "rdkafka", "lettre", "reqwest", "hyper", "tracing", "rand", "getrandom", "rustix", "chrono"];

struct Package {
    name: String,
    /// Names of its dependencies; those for its tests only are left out.
    dependencies: BTreeSet<String>,
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("a list").iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let dependencies = package["dependencies"].as_array().expect("a list").iter();
    Package {
        name: package["name"].as_str().expect("a name").to_owned(),
        dependencies: dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
            .collect(),
    }
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

#[test]
fn every_crate_has_a_floor() {
    for package in packages() {
        assert!(
            floor(&package.name).is_some() || TEST_CRATES.contains(&package.name.as_str()),
            "{} is on no floor: give it one in tests/tests/floors.rs and docs/ARCHITECTURE.md",
            package.name
        );
    }
}

#[test]
fn no_edge_goes_up_or_sideways() {
    for package in packages() {
        let Some(here) = floor(&package.name) else { continue };
        for dependency in &package.dependencies {
            assert!(
                !TEST_CRATES.contains(&dependency.as_str()),
                "{} uses {dependency} outside its tests",
                package.name
            );
            if let Some(there) = floor(dependency) {
                assert!(there < here, "{} (floor {here}) uses {dependency} (floor {there})", package.name);
            }
        }
    }
}

#[test]
fn heavy_libraries_stay_in_their_rooms() {
    for package in packages().iter().filter(|package| !TEST_CRATES.contains(&package.name.as_str())) {
        for (library, rooms) in ROOMS {
            assert!(
                !package.dependencies.contains(*library) || rooms.contains(&package.name.as_str()),
                "{} depends on {library}; only {rooms:?} may",
                package.name
            );
        }
    }
}

#[test]
fn the_pure_core_sees_no_runtime_and_no_network() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "postrider-domain", "--edges", "normal", "--prefix", "none", "--offline"])
        .args(["--format", "{lib}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("postrider_domain"), "the tree names its root: {tree}");
    for library in tree.lines() {
        assert!(!NEVER_UNDER_DOMAIN.contains(&library), "{library} is under postrider-domain");
    }
}
