//! Rules about the text of the repository that no compiler holds: the size of files, a reason for every dependency,
//! and nothing in it that only makes sense on one machine.

use std::{fs, path::PathBuf, process::Command};

use postrider_domain::{DeadReason, Reason};

/// Lines of a Rust file, its tests not counted.
const LINES_MAX: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Path and text of every file that git knows or would add; what is no text is left out.
fn files() -> Vec<(String, String)> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let names = names.split('\0').filter(|name| !name.is_empty());
    let files: Vec<_> = names
        .filter_map(|name| fs::read_to_string(root().join(name)).ok().map(|text| (name.to_owned(), text)))
        .collect();
    assert!(files.iter().any(|(name, _)| name == "Cargo.toml"), "the list of files holds the root manifest");
    files
}

fn is_test_file(name: &str) -> bool {
    name.starts_with("tests/")
        || name.starts_with("crates/testkit/")
        || name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("_tests.rs")
}

#[test]
fn no_file_is_longer_than_the_wall() {
    let mut too_long = Vec::new();
    for (name, text) in files() {
        if name.ends_with(".rs") && !is_test_file(&name) {
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            if lines > LINES_MAX {
                too_long.push(format!("{name}: {lines}"));
            }
        }
    }
    assert!(too_long.is_empty(), "over {LINES_MAX} lines without tests, split by responsibility: {too_long:#?}");
}

/// What a newcomer reads first has the whole way of an event on one page, and knows no library behind it.
#[test]
fn the_map_is_one_page() {
    let map = fs::read_to_string(root().join("crates/processor/src/pipeline.rs")).expect("the map is there");
    assert!(map.lines().count() <= 200, "{} lines, 200 at most", map.lines().count());
    assert!(!["rdkafka", "lettre", "reqwest"].iter().any(|library| map.contains(library)));
}

/// A `str` is escaped in a line of the text log, a `Display` is not: with a line break in it, it would forge a line.
#[test]
fn names_from_outside_are_logged_escaped() {
    let forged = ["event.key = %", "event.source = %", "trace_id = %"];
    let files = files();
    let found: Vec<_> = files
        .iter()
        .filter(|(name, text)| name.starts_with("crates/") && forged.iter().any(|field| text.contains(field)))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "log these as &str: {found:?}");
}

/// And a crate that uses it: a reason for what nobody takes would be one line of fiction.
#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest is there");
    let architecture = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("docs/ARCHITECTURE.md is there");
    let files = files();
    let members: Vec<_> =
        files.iter().filter(|(name, _)| name.ends_with("/Cargo.toml")).map(|(_, text)| text).collect();
    let is_used = |name: &str| {
        let line = format!("{name}.workspace = true");
        let table = format!("{name} = {{ workspace = true");
        members.iter().any(|text| text.lines().any(|found| found == line || found.starts_with(&table)))
    };
    let dependencies: Vec<_> = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let others = dependencies.iter().filter(|(_, value)| !value.contains("path = ")).map(|(name, _)| *name);
    let missing: Vec<_> =
        others.filter(|name| !architecture.lines().any(|line| line.contains(&format!("`{name}`")))).collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md gives no reason for {missing:?}: one line each, the name in `…`");
    let idle: Vec<_> = dependencies.iter().map(|(name, _)| *name).filter(|name| !is_used(name)).collect();
    assert!(idle.is_empty(), "no crate takes {idle:?} from the workspace: remove it there and from the papers");
}

/// A promise names the test that backs it, a table the file to look at: a file that moves takes its mention along.
#[test]
fn every_file_the_papers_name_is_there() {
    let files = files();
    let is_there = |path: &str| {
        let (file, folder) = (format!("/{path}"), format!("/{}/", path.trim_end_matches('/')));
        files.iter().map(|(name, _)| format!("/{name}")).any(|name| name.ends_with(&file) || name.contains(&folder))
    };
    let mut missing = Vec::new();
    for (paper, text) in files.iter().filter(|(name, _)| name.ends_with(".md")) {
        for word in text.split('`').skip(1).step_by(2) {
            let is_path = word.contains('/')
                && !word.starts_with('/')
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
            if is_path && !is_there(word) {
                missing.push(format!("{paper}: {word}"));
            }
        }
    }
    assert!(is_there("tests/tests/papers.rs") && !is_there("tests/tests/no_such_file.rs"));
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The labels' closed lists are part of what operators are told.
#[test]
fn every_reason_is_documented() {
    let paper = fs::read_to_string(root().join("docs/OPERATIONS.md")).expect("docs/OPERATIONS.md is there");
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let dead = DeadReason::ALL.iter().map(|reason| reason.as_str());
    let missing: Vec<_> = reasons.chain(dead).filter(|reason| !paper.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "docs/OPERATIONS.md says nothing of {missing:?}");
}

#[test]
fn nothing_names_one_machine_or_one_registry() {
    // Put together here, so that this file does not name them either.
    let forbidden = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/tm", "p/"],
        ["crates", ".io"],
        ["repo1.", "maven.org"],
        ["py", "pi.org"],
        ["registry.", "npmjs.org"],
        ["proxy.", "golang.org"],
    ]
    .map(|parts| parts.concat());
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| name != "Cargo.lock") {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = forbidden.iter().find(|word| line.contains(word.as_str())) {
                found.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
