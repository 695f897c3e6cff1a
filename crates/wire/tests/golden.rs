//! The golden bytes: what was written once is read for ever, and today's writer still writes it.
//!
//! After a new schema version: `UPDATE_GOLDEN=1 cargo test -p postrider-wire --test golden`, and keep the older
//! version's files beside the new ones.

mod common;

use std::{fs, path::PathBuf};

use anyhow::Context;

fn golden(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/golden").join(file)
}

#[test]
fn golden_bytes_are_read_and_written_as_ever() -> anyhow::Result<()> {
    for (name, sample) in common::all() {
        let (bytes_file, meaning_file) = (golden(&format!("{name}.avro")), golden(&format!("{name}.json")));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let bytes = sample.encode();
            fs::write(&meaning_file, format!("{:#}\n", sample.meaning_of(&bytes)?))?;
            fs::write(&bytes_file, bytes)?;
        }
        let bytes = fs::read(&bytes_file).with_context(|| format!("cannot read {}", bytes_file.display()))?;
        let meaning: serde_json::Value = serde_json::from_slice(&fs::read(&meaning_file)?)?;
        assert_eq!(sample.decode(&bytes)?, sample, "{name}: what our decoder makes of the bytes");
        assert_eq!(sample.meaning_of(&bytes)?, meaning, "{name}: what any Avro reader makes of the bytes");
        assert_eq!(sample.encode(), bytes, "{name}: what today's encoder writes");
    }
    Ok(())
}

#[test]
fn every_golden_file_belongs_to_a_test() -> anyhow::Result<()> {
    let names: Vec<_> = common::all().into_iter().map(|(name, _)| name.to_owned()).collect();
    for entry in fs::read_dir(golden(""))? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        assert!(names.contains(&stem), "{} is read by no test", path.display());
    }
    Ok(())
}
