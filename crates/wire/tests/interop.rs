//! The contract across languages: Python's fastavro reads what is written here, and what it writes is read here.

mod common;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use postrider_testkit::python;
use serde_json::json;

const FASTAVRO: &str = "fastavro==1.13.1";

#[test]
fn fastavro_reads_and_writes_what_we_write_and_read() -> anyhow::Result<()> {
    let samples = common::all();
    let request: Vec<_> = samples
        .iter()
        .map(|(_, sample)| json!({ "record": sample.record(), "object": hex(&sample.encode()) }))
        .collect();
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&run_interop(&serde_json::to_vec(&request)?)?)?;
    ensure!(answers.len() == samples.len(), "{} answers for {} records", answers.len(), samples.len());
    for ((name, sample), answer) in samples.iter().zip(&answers) {
        let bytes = sample.encode();
        assert_eq!(hex(&bytes[2..10]), answer["fingerprint"], "{name}: the fingerprint we write");
        assert_eq!(sample.meaning_of(&bytes)?, answer["meaning"], "{name}: what fastavro read");
        let written = unhex(answer["object"].as_str().context("no object")?)?;
        assert_eq!(&sample.decode(&written)?, sample, "{name}: what fastavro wrote");
    }
    Ok(())
}

fn run_interop(request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/interop/interop.py");
    let mut child = Command::new(python::with(&[FASTAVRO])?)
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no standard input")?.write_all(request)?;
    Ok(python::checked(child.wait_with_output()?, "schemas/interop/interop.py failed")?.stdout)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    (0..text.len()).step_by(2).map(|i| Ok(u8::from_str_radix(&text[i..i + 2], 16)?)).collect()
}
