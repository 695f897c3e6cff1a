//! A real Apache Kafka without containers: jars through Maven, kept under the workspace's `target/kafka`; formatted and
//! started on free ports of the loopback; gone when the test process is gone, however that ends.

mod broker;
mod client;
mod jars;

use std::{
    path::Path,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};

use broker::Node;
pub use client::RawRecord;

/// Set to `host:port,…`, tests use that cluster instead of starting one (but for those that kill brokers).
pub const BOOTSTRAP_VARIABLE: &str = "POSTRIDER_TEST_BOOTSTRAP";

/// A cluster, started here or given.
#[derive(Debug)]
pub struct RealKafka {
    bootstrap_servers: String,
    nodes: Vec<Node>,
}

impl RealKafka {
    /// The one broker all tests of this binary share; each test takes names of its own from [`RealKafka::unique`].
    ///
    /// # Panics
    /// No Kafka can be started; the message says what is missing.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RealKafka> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(BOOTSTRAP_VARIABLE) {
            Ok(bootstrap_servers) if !bootstrap_servers.is_empty() => Self { bootstrap_servers, nodes: Vec::new() },
            Ok(_) | Err(_) => Self::start(1).unwrap_or_else(|error| panic!("no Kafka for the tests: {error:#}")),
        })
    }

    /// A cluster of this many combined brokers and controllers, for a test that kills some. Waits until all answer.
    ///
    /// # Errors
    /// Maven or Java is missing, or the brokers do not come up within a minute.
    pub fn start(nodes: usize) -> Result<Self> {
        Self::start_tuned(nodes, Tuning::StartFast)
    }

    /// One broker as it runs in production, with Java's optimising compiler: for measurements. It starts more slowly.
    ///
    /// # Errors
    /// As [`RealKafka::start`].
    pub fn start_for_measuring() -> Result<Self> {
        Self::start_tuned(1, Tuning::RunFast)
    }

    fn start_tuned(nodes: usize, tuning: Tuning) -> Result<Self> {
        let libs = jars::libs()?;
        let nodes = broker::start_all(&libs, nodes, tuning)?;
        let bootstrap_servers: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let cluster = Self { bootstrap_servers: bootstrap_servers.join(","), nodes };
        cluster.wait_for_brokers(cluster.nodes.len()).with_context(|| cluster.last_words())?;
        Ok(cluster)
    }

    fn last_words(&self) -> String {
        self.nodes.iter().map(Node::last_words).collect::<Vec<_>>().join("\n")
    }

    /// `host:port,…` as clients take it.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// A name nobody else has: for topics and groups of one test.
    #[must_use]
    pub fn unique(&self, name: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let start = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() % 100_000_000);
        format!("{name}-{}-{start}-{count}", std::process::id())
    }

    /// `kill -9` of one broker (from 0). Its port and data stay for [`RealKafka::restart`].
    ///
    /// # Errors
    /// The cluster was given, not started here, or the process is gone already.
    pub fn kill(&self, node: usize) -> Result<()> {
        self.node(node)?.kill()
    }

    /// Starts a killed broker again; does not wait until it answers.
    ///
    /// # Errors
    /// As [`RealKafka::kill`].
    pub fn restart(&self, node: usize) -> Result<()> {
        self.node(node)?.spawn()
    }

    /// Cuts the log of a killed broker down to its first batches, as a machine does that loses what was not on its disk yet.
    ///
    /// # Errors
    /// As [`RealKafka::kill`], or the log is not as expected.
    pub fn cut_tail(&self, node: usize, topic: &str, partition: i32, batches: usize) -> Result<()> {
        self.node(node)?.cut_tail(&format!("{topic}-{partition}"), batches)
    }

    fn node(&self, node: usize) -> Result<&Node> {
        self.nodes.get(node).context("this cluster was not started here, or has no such broker")
    }

    /// Runs one of Apache Kafka's own tools against this cluster and returns what it printed, for example
    /// `org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`. `--bootstrap-server` is added.
    ///
    /// # Errors
    /// The tool cannot be started or fails; the error carries its output.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let libs = jars::libs()?;
        let mut command = java(&libs, "256m", Tuning::StartFast);
        command.arg(class).args(["--bootstrap-server", &self.bootstrap_servers]).args(arguments);
        run(command)
    }
}

/// What Java is to be good at.
#[derive(Debug, Clone, Copy)]
enum Tuning {
    StartFast,
    RunFast,
}

/// Java with Kafka's jars and a heap of that size.
fn java(libs: &Path, heap: &str, tuning: Tuning) -> Command {
    let mut command = Command::new("java");
    command.arg(format!("-Xmx{heap}"));
    match tuning {
        Tuning::StartFast => command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]),
        Tuning::RunFast => command.arg("-XX:+UseG1GC"),
    };
    command.arg("-cp");
    command.arg(libs.join("*"));
    command
}

/// What the command printed; its failure with all it said.
fn run(mut command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| missing(&program))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{program} failed ({}):\n{stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    if stdout.contains("Error: ") {
        bail!("{program} reported an error:\n{stdout}");
    }
    Ok(stdout)
}

fn missing(program: &str) -> String {
    format!("cannot run {program}; the tests need Maven and JDK 17 (Debian packages: maven openjdk-17-jdk-headless)")
}
