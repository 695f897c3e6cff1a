use clap::{CommandFactory, error::ErrorKind};

use super::*;

/// Cuts an example into words; single quotes keep blanks.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().expect("never empty").push(c),
        }
    }
    words
}

#[track_caller]
fn check_examples(command: &clap::Command, path: &str) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<_> = help.lines().filter(|line| line.trim_start().starts_with("postrider ")).collect();
    assert!(!examples.is_empty(), "{path} has no example in its help");
    for example in examples {
        assert!(example.trim_start().starts_with(path), "{path} has an example of another command: {example}");
        if let Err(error) = Cli::try_parse_from(words(example)) {
            panic!("{example}: {error}");
        }
    }
    for inner in command.get_subcommands() {
        check_examples(inner, &format!("{path} {}", inner.get_name()));
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_subcommand_has_an_example_that_parses() {
    check_examples(&Cli::command(), "postrider");
}

/// Commands in the papers, and those that containers and units run.
#[test]
fn every_command_in_the_papers_parses() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for paper in ["README.md", "docs/OPERATIONS.md", "deploy/README.md"] {
        let text = std::fs::read_to_string(root.join(paper)).expect("the paper is there");
        let commands = commands(&text);
        assert!(!commands.is_empty(), "{paper} has no command");
        for command in commands {
            match Cli::try_parse_from(words(&command)) {
                Err(error) if error.kind() != ErrorKind::DisplayVersion => panic!("{paper}: {command}: {error}"),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Every `postrider …` of a Markdown text: in code blocks the lines, with what stands behind a backslash or in front of a
/// pipe or comment; elsewhere what stands between backticks. A `…` stands for what the reader fills in; such are left out.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut in_block, mut open) = (false, None::<String>);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let line = line.trim_start().trim_start_matches("$ ");
            let line = line.replacen("docker compose run --rm --no-deps ingest ", "postrider ", 1);
            let Some(start) = open.take().or_else(|| line.starts_with("postrider ").then(String::new)) else {
                continue;
            };
            let line = line.split([';', '|', '>', '#']).next().unwrap_or_default().trim();
            match line.strip_suffix('\\') {
                Some(more) => open = Some(start + more),
                None => found.push(start + line),
            }
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.filter(|span| span.starts_with("postrider ")).map(str::to_owned));
        }
    }
    found.retain(|command| !command.contains('…'));
    found
}
