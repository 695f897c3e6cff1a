//! Dockerfile and unit: what can be shown without an engine and without systemd.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::tree::{drain_and_ten, root, seconds, text};

/// The file's instructions, continued lines joined, comments left out.
fn instructions() -> Vec<String> {
    let file = text("Dockerfile").replace("\\\n", " ");
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The instructions of the last stage, or of one by name.
fn stage(name: Option<&str>) -> Vec<String> {
    let all = instructions();
    let is_start =
        |line: &String| line.starts_with("FROM ") && name.is_none_or(|name| line.ends_with(&format!(" AS {name}")));
    let start = all.iter().rposition(is_start).expect("there is such a stage");
    let rest = &all[start + 1..];
    let end = rest.iter().position(|line| line.starts_with("FROM ")).unwrap_or(rest.len());
    all[start..=start + end].to_vec()
}

#[test]
fn it_is_built_by_the_commands_that_the_makefile_has() {
    let builds: Vec<_> =
        instructions().into_iter().filter_map(|line| line.strip_prefix("RUN cargo ").map(str::to_owned)).collect();
    assert_eq!(builds.len(), 2, "the dependencies first, then the program: {builds:?}");
    let makefile = text("Makefile");
    for build in builds {
        assert!(makefile.lines().any(|line| line == format!("\tcargo {build}")), "no target runs `cargo {build}`");
    }
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let base = stage(Some("base")).join("\n");
    assert!(base.contains(&format!("FROM rust:{channel}-")) && base.contains(&format!("RUSTUP_TOOLCHAIN={channel}")));
}

#[test]
fn it_runs_without_a_shell_without_rights_and_stops_gently() {
    let last = stage(None);
    assert!(last[0].starts_with("FROM gcr.io/distroless/cc-debian12:nonroot"), "{}", last[0]);
    let has = |line: &str| last.iter().any(|found| found == line);
    assert!(has("USER 65532:65532") && has("STOPSIGNAL SIGTERM") && has("EXPOSE 8080 9464 9465"));
    assert!(last.iter().any(|line| line.ends_with(r#"CMD ["/usr/local/bin/postrider", "health"]"#)));
    assert!(has(r#"ENTRYPOINT ["/usr/local/bin/postrider"]"#));
    assert!(!last.iter().any(|line| line.starts_with("RUN ")), "there is no shell to run anything");
    let labels = last.iter().find(|line| line.starts_with("LABEL ")).expect("it has labels");
    for label in ["title", "description", "licenses", "source", "version", "revision"] {
        assert!(labels.contains(&format!("org.opencontainers.image.{label}=")), "{label}");
    }
    assert!(has(concat!("ARG VERSION=", env!("CARGO_PKG_VERSION"))));
}

/// The stage that keeps the dependencies, run on a copy of what `.dockerignore` lets through: what is left must be a
/// workspace that cargo can read, and the same whatever the sources say.
#[test]
fn the_layer_of_dependencies_holds_for_every_change_of_a_source() {
    let ignore = text(".dockerignore");
    let allowed: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let commands: Vec<_> =
        stage(Some("manifests")).into_iter().filter_map(|line| line.strip_prefix("RUN ").map(str::to_owned)).collect();
    assert!(!commands.is_empty());
    let copies = ["", "\n// changed\n"].map(|change| {
        let dir = tempfile::tempdir().unwrap();
        copy(&allowed, dir.path(), change);
        for command in &commands {
            let status = Command::new("sh").args(["-ec", command]).current_dir(dir.path()).status().unwrap();
            assert!(status.success(), "{command}");
        }
        dir
    });
    let [before, after] = [0, 1].map(|n| content(copies[n].path()));
    assert_eq!(before, after, "a changed source must not build all dependencies anew");
    assert!(before.iter().any(|(name, _)| name == Path::new("crates/postrider/src/main.rs")));

    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "postrider", "--prefix", "none"])
        .current_dir(copies[0].path())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    assert!(String::from_utf8_lossy(&tree.stdout).contains("rdkafka "));
}

/// Copies the files that git knows and that begin with one of `allowed`, sources with `change` at their end.
fn copy(allowed: &[&str], to: &Path, change: &str) {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.split('\0').filter(|name| allowed.contains(&name.split('/').next().unwrap()));
    for name in names.filter(|name| !name.ends_with(".png")) {
        let (from, to) = (root().join(name), to.join(name));
        let Ok(mut bytes) = fs::read(from) else { continue };
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if name.ends_with(".rs") {
            bytes.extend_from_slice(change.as_bytes());
        }
        fs::write(to, bytes).unwrap();
    }
}

fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_unit_waits_for_the_drain_and_gives_nothing_away() {
    let unit = text("deploy/systemd/postrider@.service");
    let value = |key: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
        found.unwrap_or_else(|| panic!("{key} is not set"))
    };
    assert!(seconds(value("TimeoutStopSec")) > drain_and_ten());
    assert_eq!(value("KillSignal"), "SIGTERM");
    assert_eq!(value("RestartPreventExitStatus"), "2", "a wrong configuration is not mended by a restart");
    assert!(value("ExecStart").starts_with("/usr/bin/postrider %i --config "));
    for key in ["DynamicUser", "NoNewPrivileges", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute"] {
        assert_eq!(value(key), "yes", "{key}");
    }
    assert_eq!((value("ProtectSystem"), value("CapabilityBoundingSet")), ("strict", ""));
    for part in ["ingest", "process"] {
        crate::tree::assert_known_command(&[part, "--config", "x.toml"]);
    }
}
