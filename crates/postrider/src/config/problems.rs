//! Everything that is wrong with a configuration, collected.

use std::{cell::RefCell, fmt};

/// Problems in the order they were found; at least one.
#[derive(Debug)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// One problem only.
    pub(crate) fn one(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    /// Each of them.
    #[cfg(test)]
    pub(super) fn list(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "configuration: {one}"),
            many => {
                write!(f, "configuration: {} problems", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// Where problems are noted while all sections are being read.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<String>>);

impl Notes {
    /// `key` is the path as one writes it, `text` reads on from it and says what to do.
    pub(super) fn add(&self, key: &str, text: impl fmt::Display) {
        self.0.borrow_mut().push(format!("{key}: {text}"));
    }

    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// What was noted, if anything was.
    pub(super) fn into_problems(self) -> Option<Problems> {
        let problems = self.0.into_inner();
        (!problems.is_empty()).then_some(Problems(problems))
    }
}
