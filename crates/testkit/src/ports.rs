//! Ports for servers that bind theirs later, in another process.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, ensure};

/// Below the ports that Linux (32768 and up) and macOS (49152 and up) give to whoever connects. There, a client that tries a
/// port on which nobody listens yet may be given that very port, is connected to itself, and the server finds it taken.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// Ports that nobody listens on, none of them given before by this process; another process begins elsewhere.
///
/// # Errors
/// All are taken.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7_919);
    let mut free = Vec::new();
    for _ in 0..COUNT {
        if free.len() == count {
            break;
        }
        let next = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + next % COUNT)?;
        free.extend(TcpListener::bind(("127.0.0.1", port)).map(|_| port));
    }
    ensure!(free.len() == count, "no {count} free ports from {FIRST} to {}", FIRST + COUNT - 1);
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_given_twice_or_while_it_is_taken_or_to_clients() {
        let mut all = free_ports(40).unwrap();
        let next = u16::try_from(FIRST + (u32::from(all[39]) + 1 - FIRST) % COUNT).unwrap();
        let taken = TcpListener::bind(("127.0.0.1", next));
        all.extend(free_ports(40).unwrap());
        assert!(taken.is_err() || !all.contains(&next));
        assert!(all.iter().all(|port| (12_000..32_000).contains(port)));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 80);
    }
}
