//! The contract across languages: Python's fastavro reads what is written here, and what it writes is read here.
//!
//! fastavro is installed once into the build's own folder, so all that a machine needs is python3 with venv and,
//! the first time, a package index.

mod common;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, bail, ensure};
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
    let mut child = Command::new(python_with_fastavro()?)
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no standard input")?.write_all(request)?;
    Ok(checked(child.wait_with_output()?, "schemas/interop/interop.py failed")?.stdout)
}

/// A Python that has fastavro, made on the first call. It is put together beside its place and then moved there,
/// so that an interrupted or a second run never finds half of it.
fn python_with_fastavro() -> anyhow::Result<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(FASTAVRO.replace("==", "-"));
    let python = home.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    let draft = home.with_extension(format!("draft-{}", std::process::id()));
    match Command::new("python3").args(["-m", "venv"]).arg(&draft).output() {
        Ok(output) => {
            checked(output, "python3 cannot make a virtual environment: install python3 and python3-venv")?;
        }
        Err(error) => bail!("the interop test needs python3: install python3 and python3-venv ({error})"),
    }
    let install = Command::new(draft.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", FASTAVRO])
        .output()?;
    checked(install, &format!("pip cannot install {FASTAVRO}: is a package index within reach?"))?;
    if fs::rename(&draft, &home).is_err() {
        // Another run was faster.
        fs::remove_dir_all(&draft)?;
    }
    Ok(python)
}

fn checked(output: Output, what: &str) -> anyhow::Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{what}: {}", said.lines().last().unwrap_or("it said nothing").trim())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    (0..text.len()).step_by(2).map(|i| Ok(u8::from_str_radix(&text[i..i + 2], 16)?)).collect()
}
