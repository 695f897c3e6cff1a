//! The real binary as a child process.

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::Once,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    http,
    logs::Logs,
    metrics::Metrics,
    wait::{LONG, wait_until},
};

/// Where `cargo build` put the binary: beside the test binaries' folder. Testing one crate alone does not build it.
///
/// # Panics
/// It was not put there by `cargo build`, or is older than its source.
#[must_use]
pub fn binary() -> PathBuf {
    static CHECKED: Once = Once::new();
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let binary = profile.join("postrider");
    CHECKED.call_once(|| assert_newer_than_its_source(&binary));
    binary
}

/// `cargo build` leaves the list of what it was built from beside it; `cargo test` builds a binary and leaves none.
fn assert_newer_than_its_source(binary: &Path) {
    const BUILD: &str = "`make test` builds it, or by hand: cargo build --workspace";
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let built_at = modified(binary);
    let Ok(built_from) = fs::read_to_string(binary.with_extension("d")) else {
        panic!("{} is not built, or not by `cargo build`; {BUILD}", binary.display());
    };
    // The revision is in there too, and a commit alone makes no other program.
    let sources = built_from.split_whitespace().skip(1).filter(|source| !source.contains("/.git/"));
    let newer = sources.into_iter().find(|source| built_at < modified(Path::new(source)));
    assert_eq!(newer, None, "{} is older than this source; {BUILD}", binary.display());
}

/// A running Postrider; killed when it is dropped, and when the test process dies without dropping it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    guard: Guard,
    logs: Logs,
}

impl Process {
    /// Starts `postrider <arguments>`; its logs go to a file in `dir` that begins with `name`.
    ///
    /// # Panics
    /// It cannot be started.
    pub(crate) fn start(dir: &Path, name: &str, config: &Path, arguments: &[&str]) -> Self {
        let path = (0..).map(|n| dir.join(format!("{name}-{n}.log"))).find(|path| !path.exists());
        let path = path.expect("numbers do not end");
        let log = File::create(&path).expect("the log can be created");
        let child = command(config, arguments)
            .args(["--log-format", "json"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("postrider can be started");
        let guard = Guard::new(child.id());
        Self { name: name.to_owned(), child, guard, logs: Logs::new(path) }
    }

    /// What it has logged.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The admin listener.
    ///
    /// # Panics
    /// It does not listen within a minute.
    #[must_use]
    #[track_caller]
    pub fn admin(&self) -> SocketAddr {
        self.address("admin.address")
    }

    /// The HTTP API.
    ///
    /// # Panics
    /// It does not listen within a minute.
    #[must_use]
    #[track_caller]
    pub fn ingest(&self) -> SocketAddr {
        self.address("ingest.address")
    }

    #[track_caller]
    fn address(&self, field: &str) -> SocketAddr {
        let mut found = None;
        wait_until(&format!("{} has logged its {field}", self.name), LONG, || {
            found = self.logs.field(field);
            found.is_some()
        });
        found.and_then(|address| address.parse().ok()).expect("it logs host:port")
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Panics
    /// It does not within a minute.
    #[track_caller]
    pub fn ready(self) -> Self {
        let admin = self.admin();
        wait_until(&format!("{} is ready", self.name), LONG, || self.is_ready(admin));
        self
    }

    fn is_ready(&self, admin: SocketAddr) -> bool {
        http::get(admin, "/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// A scrape; empty if it does not answer.
    #[must_use]
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.exposition())
    }

    /// The text of a scrape.
    #[must_use]
    #[track_caller]
    pub fn exposition(&self) -> String {
        http::get(self.admin(), "/metrics").map(|answer| answer.body).unwrap_or_default()
    }

    /// The most memory it has had resident so far, in bytes.
    ///
    /// # Panics
    /// The process is gone.
    #[must_use]
    #[track_caller]
    pub fn memory_peak(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process is there");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kib: usize = peak.and_then(|peak| peak.parse().ok()).expect("Linux tells it while the process runs");
        1024 * kib
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// The process is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM; waits until it has exited.
    ///
    /// # Panics
    /// It has not within `within`.
    #[track_caller]
    pub fn terminate(mut self, within: Duration) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let status = self.wait(within);
        (status, began.elapsed())
    }

    /// Waits until it has exited.
    ///
    /// # Panics
    /// It has not within `within`.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let mut status = None;
        wait_until(&format!("{} has exited", self.name), within, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it was just seen")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    fn end(&mut self) {
        // Gone already is as good as killed.
        drop(self.child.kill());
        drop(self.child.wait());
        self.guard.dismiss();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- the last lines of {}:\n{}\n---", self.name, self.logs.tail(60));
        }
    }
}

/// Runs `postrider <arguments>` to its end.
///
/// # Panics
/// It cannot be started.
pub(crate) fn run(config: &Path, arguments: &[&str]) -> Output {
    command(config, arguments).stdin(Stdio::null()).output().expect("postrider can be started")
}

fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--config").arg(config);
    // What the user's own shell configures must not reach a test.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POSTRIDER_")) {
        command.env_remove(name);
    }
    command
}

/// Kills the child if this process dies: its standard input ends then.
#[derive(Debug)]
struct Guard {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Guard {
    fn new(pid: u32) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", &format!("read -r dismissed || kill -9 {pid}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let input = shell.stdin.take();
        Self { shell, input }
    }

    fn dismiss(&mut self) {
        if let Some(mut input) = self.input.take() {
            drop(input.write_all(b"dismissed\n"));
            drop(input);
            drop(self.shell.wait());
        }
    }
}
