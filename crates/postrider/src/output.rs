//! What commands print to stdout: tables for people, JSON for programs.

use std::io::{self, Write};

use anyhow::Context;
use serde_json::Value;

/// Rows under headings, columns as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; as many cells as headings. Control characters are shown, not obeyed.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    /// The rows as JSON objects whose keys are the headings in snake case.
    pub(crate) fn to_json(&self) -> Value {
        let object = |row: &Vec<String>| {
            let cells = self.headings.iter().zip(row);
            cells
                .map(|(heading, cell)| (heading.to_lowercase().replace(' ', "_"), Value::from(cell.as_str())))
                .collect()
        };
        self.rows.iter().map(object).collect::<Vec<Value>>().into()
    }

    /// Prints it, as JSON if asked for.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json { print_json(&self.to_json()) } else { print(&self.to_text()) }
    }

    fn to_text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(self.headings[column].len())
        };
        let widths: Vec<_> = (0..self.headings.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let mut text = line(
            self.headings
                .iter()
                .map(|heading| heading.to_uppercase())
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect(),
        );
        for row in &self.rows {
            text += &line(row.iter().map(String::as_str).collect());
        }
        text
    }
}

/// Texts from elsewhere must not steer the terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Prints a text to stdout. A reader that went away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_are_shown() {
        let mut table = Table::new(&["topic", "last answer"]);
        table.row(["notifications".to_owned(), "ok\u{1b}[2J".to_owned()]);
        table.row(["x".to_owned(), "no".to_owned()]);
        assert_eq!(table.to_text(), "TOPIC          LAST ANSWER\nnotifications  ok\\u{1b}[2J\nx              no\n");
        assert_eq!(table.to_json()[1]["last_answer"], "no");
    }
}
