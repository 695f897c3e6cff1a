//! Measures Postrider as ratios in one run, and prints a table. Not a test: nothing fails here for being slow.
//!
//! `cargo run --release -p postrider-tests --bin bench [drain] [slow] [ingest] [memory]`. Needs the release binary beside it, and
//! Debian's `postfix` for `smtp-sink` and `smtp-source`. All traffic stays on loopback.

mod drain;
mod events;
mod http;
mod ingest;
mod memory;
mod process;
mod slow;
mod table;

use anyhow::{Result, bail};
use postrider_testkit::kafka::RealKafka;

use crate::table::Row;

const ALL: [&str; 4] = ["drain", "slow", "ingest", "memory"];

fn main() -> Result<()> {
    let mut chosen: Vec<String> = std::env::args().skip(1).collect();
    if chosen == [ingest::NOTHING] {
        return tokio::runtime::Runtime::new()?.block_on(ingest::serve_nothing());
    }
    if let Some(unknown) = chosen.iter().find(|name| !ALL.contains(&name.as_str())) {
        bail!("no measurement is called {unknown:?}; there are {}", ALL.join(", "));
    }
    if chosen.is_empty() {
        chosen = ALL.map(str::to_owned).to_vec();
    }
    println!("starting Apache Kafka; load average before: {}", load());
    let kafka = RealKafka::start_for_measuring()?;
    let mut rows: Vec<Row> = Vec::new();
    for name in &chosen {
        println!("\n== {name}");
        rows.extend(match name.as_str() {
            "drain" => drain::measure(&kafka)?,
            "slow" => slow::measure(&kafka)?,
            "ingest" => ingest::measure(&kafka)?,
            _ => memory::measure(&kafka)?,
        });
    }
    println!("\n{}load average after: {}", table::render(&rows), load());
    Ok(())
}

/// One, five and fifteen minutes, or a dash where the system has no such file.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .map_or_else(|_| "-".to_owned(), |text| text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
