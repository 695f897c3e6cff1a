//! A scrape, as numbers.

use std::collections::BTreeMap;

/// Every series of one scrape: its name with its labels, as Prometheus writes it, and its value.
#[derive(Debug, Clone, Default)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the text format.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            lines
                .filter_map(|line| {
                    let (series, value) = line.rsplit_once(' ')?;
                    Some((series.to_owned(), value.parse().ok()?))
                })
                .collect(),
        )
    }

    /// The sum of all series of `postrider_<name>` that have these labels; 0 where there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|(_, value)| value).sum()
    }

    /// [`sum`](Self::sum) as a whole number.
    #[must_use]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of a test are small and whole"
        )]
        let count = self.sum(name, labels) as u64;
        count
    }

    /// Whether there is such a series, at whatever value.
    #[must_use]
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    /// The names of all series, labels included.
    #[must_use]
    pub fn series(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn matching<'a>(&'a self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = (&'a str, f64)> {
        let name = format!("postrider_{name}");
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        self.0.iter().filter_map(move |(series, value)| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let of_name = found == name && labels.iter().all(|label| rest.contains(label.as_str()));
            of_name.then_some((series.as_str(), *value))
        })
    }
}
