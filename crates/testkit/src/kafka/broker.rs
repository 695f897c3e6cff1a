//! One broker as a process of its own, bound to the life of this one.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use super::Tuning;
use crate::ports::free_ports;

/// 22 characters of base64 for 16 bytes, as Kafka wants a cluster's id.
const CLUSTER_ID: &str = "cG9zdHJpZGVyLXRlc3RzLQ";

/// Starts Java, prints its process id, and waits for the end of its own standard input, which comes at the latest when the
/// test process dies; then kills Java. The data stays: its owner removes it.
const WATCHDOG: &str = r#""$@" </dev/null >>"$LOG" 2>&1 & echo $!; cat >/dev/null; kill -9 $! 2>/dev/null; if [ -n "$DATA" ]; then rm -rf "$DATA"; fi"#;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) port: u16,
    libs: PathBuf,
    tuning: Tuning,
    home: PathBuf,
    running: Mutex<Option<Running>>,
}

/// Dropping the child's standard input ends the broker.
#[derive(Debug)]
struct Running {
    watchdog: Child,
    java: Pid,
}

/// Formats and starts all nodes of one cluster.
pub(super) fn start_all(libs: &Path, count: usize, tuning: Tuning) -> Result<Vec<Node>> {
    let ports = free_ports(count * 2)?;
    let (clients, controllers) = ports.split_at(count);
    let voters: Vec<String> =
        controllers.iter().enumerate().map(|(i, port)| format!("{}@127.0.0.1:{port}", i + 1)).collect();
    let nodes = clients.iter().zip(controllers).enumerate().map(|(i, (port, controller))| {
        // Removed by the watchdog, which outlives this process.
        let home = tempfile::Builder::new().prefix("postrider-kafka-").tempdir()?.keep();
        let properties = properties(i + 1, (*port, *controller), &voters, &home);
        fs::write(home.join("server.properties"), properties)?;
        let node = Node { port: *port, libs: libs.to_owned(), tuning, home, running: Mutex::new(None) };
        node.format()?;
        node.spawn()?;
        Ok(node)
    });
    nodes.collect()
}

/// Small and quick: rebalances at once, retention and compaction looked after every half second.
fn properties(id: usize, (port, controller): (u16, u16), voters: &[String], home: &Path) -> String {
    let replicas = voters.len().min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    format!(
        "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={voters}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={data}\n\
         auto.create.topics.enable=false\ndefault.replication.factor={replicas}\n\
         offsets.topic.num.partitions=5\noffsets.topic.replication.factor={replicas}\n\
         transaction.state.log.num.partitions=5\ntransaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={in_sync}\n\
         share.coordinator.state.topic.num.partitions=1\nshare.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={in_sync}\n\
         group.initial.rebalance.delay.ms=0\ngroup.min.session.timeout.ms=500\n\
         broker.session.timeout.ms=4000\nbroker.heartbeat.interval.ms=500\n\
         message.max.bytes=20971520\nreplica.fetch.max.bytes=20971520\n\
         log.initial.task.delay.ms=500\nlog.retention.check.interval.ms=500\nlog.segment.delete.delay.ms=500\n\
         log.cleaner.backoff.ms=500\nlog.cleaner.dedupe.buffer.size=16777216\nlog.cleaner.delete.retention.ms=500\n",
        voters = voters.join(","),
        data = home.join("data").display(),
    )
}

impl Node {
    fn format(&self) -> Result<()> {
        let mut command = super::java(&self.libs, "128m", Tuning::StartFast);
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]);
        command.arg(self.home.join("server.properties"));
        super::run(command).context("cannot format Kafka's data directory").map(drop)
    }

    /// Starts the process; it answers some seconds later.
    pub(super) fn spawn(&self) -> Result<()> {
        let log = self.home.join("broker.log");
        drop(File::create(&log)?);
        let java = super::java(&self.libs, "512m", self.tuning);
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, "watchdog"]).arg(java.get_program()).args(java.get_args()).arg("kafka.Kafka");
        watchdog.arg(self.home.join("server.properties"));
        watchdog.env("LOG", &log).env("DATA", &self.home);
        let mut watchdog = watchdog.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run sh")?;
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().context("no output of sh")?).read_line(&mut line)?;
        let java = line.trim().parse().ok().and_then(Pid::from_raw).context("no process id of Kafka")?;
        *self.running.lock().map_err(|_| anyhow!("a test panicked"))? = Some(Running { watchdog, java });
        Ok(())
    }

    /// The end of what it has logged.
    pub(super) fn last_words(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read_to_string(self.home.join("broker.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("broker on port {}:\n{}", self.port, lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }

    /// Leaves the first batches of a log that has one segment. Indexes and checkpoints are made anew at the next start.
    pub(super) fn cut_tail(&self, log: &str, batches: usize) -> Result<()> {
        const BEFORE_LENGTH: usize = 8;
        const HEAD: usize = BEFORE_LENGTH + 4;
        let (data, mut end) = (self.home.join("data"), 0);
        let segment = data.join(log).join("00000000000000000000.log");
        let bytes = fs::read(&segment)?;
        for _ in 0..batches {
            let length = bytes.get(end + BEFORE_LENGTH..end + HEAD).context("the log has no such batch")?;
            end += HEAD + usize::try_from(u32::from_be_bytes(length.try_into()?))?;
        }
        anyhow::ensure!(end < bytes.len(), "nothing would be cut");
        File::options().write(true).open(&segment)?.set_len(u64::try_from(end)?)?;
        for index in ["index", "timeindex"] {
            fs::remove_file(segment.with_extension(index))?;
        }
        fs::remove_file(data.join("recovery-point-offset-checkpoint")).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error.into()),
        })
    }

    /// SIGKILL, as a crash. The data stays, so the watchdog must go before its input ends.
    pub(super) fn kill(&self) -> Result<()> {
        let running = self.running.lock().map_err(|_| anyhow!("a test panicked"))?.take();
        let mut running = running.context("this broker is not running")?;
        running.watchdog.kill()?;
        running.watchdog.wait()?;
        kill_process(running.java, Signal::KILL)?;
        // Until the port is free again, a restart would fail.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while TcpListener::bind(("127.0.0.1", self.port)).is_err() {
            anyhow::ensure!(std::time::Instant::now() < deadline, "the killed broker still holds its port");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(Some(mut running)) = self.running.lock().map(|mut running| running.take()) {
            drop(running.watchdog.stdin.take());
            drop(running.watchdog.wait());
        }
        drop(fs::remove_dir_all(&self.home));
    }
}
