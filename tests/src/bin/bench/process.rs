//! The release binary as a child process, and what can be read from outside.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use postrider_testkit::ports::free_ports;
use postrider_tests::http;
use tempfile::TempDir;

/// A running `postrider`, ended with SIGKILL when dropped.
pub(crate) struct Process {
    child: Child,
    pub admin: SocketAddr,
    directory: TempDir,
}

/// A free port of the loopback; bound by nobody for the moment.
pub(crate) fn free_port() -> Result<u16> {
    free_ports(1)?.pop().context("no port")
}

/// `postrider`, next to this program.
pub(crate) fn binary() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("postrider");
    ensure!(binary.exists(), "{} is missing; `cargo build --release` makes it", binary.display());
    Ok(binary)
}

impl Process {
    /// Starts a subcommand with this configuration and waits until it is ready.
    pub(crate) fn start(subcommand: &str, configuration: &str) -> Result<Self> {
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("postrider.toml");
        fs::write(&file, format!("{configuration}\n[admin]\nlisten = \"{admin}\"\n"))?;
        let log = File::create(directory.path().join("log"))?;
        let child = Command::new(binary()?)
            .arg("--config")
            .arg(&file)
            .arg(subcommand)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start postrider")?;
        let mut process = Self { child, admin, directory };
        process.wait_ready()?;
        Ok(process)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while http::get(self.admin, "/readyz").map_or(true, |answer| answer.status != 200) {
            if let Some(status) = self.child.try_wait()? {
                bail!("postrider ended with {status}:\n{}", self.log());
            }
            ensure!(Instant::now() < deadline, "postrider is not ready after two minutes:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The sum of all series whose name and labels contain every one of `parts`.
    pub(crate) fn metric(&self, parts: &[&str]) -> Result<f64> {
        let scrape = http::get(self.admin, "/metrics")?.body;
        let lines =
            scrape.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Waits until the metric has reached `wanted`; how long that took.
    pub(crate) fn wait_for(&self, parts: &[&str], wanted: f64, within: Duration) -> Result<Duration> {
        let began = Instant::now();
        while self.metric(parts)? < wanted {
            ensure!(began.elapsed() < within, "{parts:?} is {} after {within:?}:\n{}", self.metric(parts)?, self.log());
            sleep(Duration::from_millis(25));
        }
        Ok(began.elapsed())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kilobytes * 1024.0)
    }

    /// Processor seconds used so far, in hundredths: the kernel's own count, finer than the metric's whole seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit(')').next().context("no name")?;
        let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a subcommand to its end.
pub(crate) fn run(arguments: &[&str], configuration: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("postrider.toml");
    fs::write(&file, configuration)?;
    let output = Command::new(binary()?).arg("--config").arg(&file).args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
