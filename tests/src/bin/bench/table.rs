//! The table at the end.

use std::fmt::Write;

/// One measurement.
pub(crate) struct Row {
    pub what: String,
    pub figure: String,
    pub against: String,
    /// The figure over what it is measured against.
    pub ratio: Option<f64>,
    pub wanted: &'static str,
}

/// Columns as wide as their widest cell.
pub(crate) fn render(rows: &[Row]) -> String {
    let head = ["what", "measured", "against", "ratio", "wanted"].map(str::to_owned);
    let cells: Vec<[String; 5]> = std::iter::once(head)
        .chain(rows.iter().map(|row| {
            let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            [row.what.clone(), row.figure.clone(), row.against.clone(), ratio, row.wanted.to_owned()]
        }))
        .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    cells.iter().fold(String::new(), |mut text, row| {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(text, "{}", line.join("  ").trim_end()).expect("a string takes everything");
        text
    })
}
