//! Apache Kafka's jars, fetched once through Maven.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

const VERSION: &str = "4.3.1";

const POM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postrider</groupId>
  <artifactId>test-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
"#;

/// The directory with all jars. The first call of a fresh checkout fetches them; test binaries that do so at once each fetch
/// into a directory of their own, and the first to finish wins.
pub(super) fn libs() -> Result<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kafka");
    let libs = home.join(VERSION);
    if !libs.is_dir() {
        fs::create_dir_all(&home)?;
        let own = tempfile::tempdir_in(&home).context("cannot write under target/kafka")?;
        fetch(own.path())?;
        if fs::rename(own.path().join("libs"), &libs).is_err() && !libs.is_dir() {
            anyhow::bail!("cannot keep Kafka's jars in {}", libs.display());
        }
    }
    Ok(libs.canonicalize()?)
}

fn fetch(into: &Path) -> Result<()> {
    fs::write(into.join("pom.xml"), POM.replace("KAFKA_VERSION", VERSION))?;
    let mut maven = Command::new("mvn");
    maven.current_dir(into).args(["-q", "-B", "dependency:copy-dependencies"]);
    maven.args(["-DincludeScope=runtime", "-DoutputDirectory=libs"]);
    super::run(maven).context("cannot fetch Apache Kafka through Maven").map(drop)
}
