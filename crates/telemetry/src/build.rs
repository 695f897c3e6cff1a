//! The registry every process starts with.

use prometheus::{Error, IntGaugeVec, Opts, Registry};

/// A registry with the process' own metrics (`process_cpu_seconds_total`, `process_resident_memory_bytes`, …; Linux
/// only) and `postrider_build_info{version,revision}` at 1.
///
/// # Errors
/// Never in a process that calls it once per registry; the names are fixed.
pub fn registry(version: &str, revision: &str) -> Result<Registry, Error> {
    let registry = Registry::new();
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let info = IntGaugeVec::new(
        Opts::new("postrider_build_info", "Which Postrider this is; always 1."),
        &["version", "revision"],
    )?;
    info.with_label_values(&[version, revision]).set(1);
    registry.register(Box::new(info))?;
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_build_it_is_and_what_the_process_uses() {
        let text =
            prometheus::TextEncoder::new().encode_to_string(&registry("0.1.0", "abc1234").unwrap().gather()).unwrap();
        assert!(text.contains(r#"postrider_build_info{revision="abc1234",version="0.1.0"} 1"#), "{text}");
        #[cfg(target_os = "linux")]
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
}
