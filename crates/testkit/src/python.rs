//! Python packages that a test holds us against, installed once under `target/`. All that a machine needs is python3
//! with venv and, the first time, a package index.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail};

/// A Python that has exactly `packages`, each written as `name==version`. What they need in turn is not installed by
/// itself, so that nothing comes without its version: name it too.
///
/// Made on the first call. It is put together beside its place and then moved there, so that an interrupted or a second
/// run never finds half of it.
///
/// # Errors
/// In one line: python3 or its venv is missing, or the packages cannot be fetched.
pub fn with(packages: &[&str]) -> Result<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python");
    let home = all.join(packages.join("+").replace("==", "-"));
    let python = home.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    fs::create_dir_all(&all).context("cannot write under target/python")?;
    let own = tempfile::tempdir_in(&all).context("cannot write under target/python")?;
    let draft = own.path().join("venv");
    match Command::new("python3").args(["-m", "venv"]).arg(&draft).output() {
        Ok(output) => {
            checked(output, "python3 cannot make a virtual environment: install python3 and python3-venv")?;
        }
        Err(error) => bail!("this test needs python3: install python3 and python3-venv ({error})"),
    }
    let install = Command::new(draft.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(packages)
        .output()
        .context("cannot run the new environment's python")?;
    checked(install, &format!("pip cannot install {}: is a package index within reach?", packages.join(" ")))?;
    // If it cannot be moved there, another run was faster.
    if let Err(error) = fs::rename(&draft, &home)
        && !python.exists()
    {
        return Err(error).with_context(|| format!("cannot keep the Python packages in {}", home.display()));
    }
    Ok(python)
}

/// The output of a program that ended well.
///
/// # Errors
/// It did not; then `what` and the last line that it said.
pub fn checked(output: Output, what: &str) -> Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{what}: {}", said.lines().last().unwrap_or("it said nothing").trim())
}
