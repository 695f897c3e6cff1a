//! What a process has written to its log, one JSON object a line.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// A log file that grows.
#[derive(Debug, Clone)]
pub struct Logs {
    path: PathBuf,
}

impl Logs {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All of it as it stands now.
    #[must_use]
    pub fn text(&self) -> String {
        fs::read(&self.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Every line that is JSON.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The lines of that level (`ERROR`, `WARN`, …) whose message contains `words`.
    #[must_use]
    pub fn of(&self, level: &str, words: &str) -> Vec<Value> {
        let fits = |line: &Value| {
            line["level"] == level && line["message"].as_str().is_some_and(|message| message.contains(words))
        };
        self.lines().into_iter().filter(fits).collect()
    }

    /// The value of a field in the first line that has it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.lines().iter().find_map(|line| line[name].as_str().map(str::to_owned))
    }

    /// Fails if any line holds one of these words.
    ///
    /// # Panics
    /// One does.
    #[track_caller]
    pub fn assert_silent_about(&self, words: &[&str]) {
        for line in self.text().lines() {
            for word in words {
                assert!(!line.contains(word), "a log line holds {word:?}: {line}");
            }
        }
    }

    /// The last lines, for a person who looks at a failure.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<_> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}
