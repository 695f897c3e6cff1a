use clap::CommandFactory;

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
