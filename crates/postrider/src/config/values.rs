//! Texts of the file as values of the program.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// `"30s"`, `"24h"`, `"7d"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// The same backwards, in the units that are usual in the file: a week is `7d`, never `1week`.
pub(super) fn written(duration: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = duration.as_millis();
    let mut parts = Vec::new();
    for (unit, millis) in UNITS {
        if millis <= rest {
            parts.push(format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// `"10MiB"`, `"512KiB"`, a bare number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64())
}

/// Whether a host is this machine for certain: `localhost` or a loopback address.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one process cannot listen on both. Port 0 is another free one each time; `[::]` takes IPv4's addresses, too.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let overlap = one_ip == other_ip || covers(one_ip, other_ip) || covers(other_ip, one_ip);
    overlap && one.port() == other.port() && one.port() != 0
}

/// Whether a text can be a name: of a source, a lane, a topic.
pub(super) fn is_name(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && !matches!(text, "." | "..")
}

/// Whether a text can be a name that variables of the environment can spell: their capitals are read as small letters.
pub(super) fn is_lower_case_name(text: &str, longest: usize) -> bool {
    let lower_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= longest
        && text.starts_with(lower_or_digit)
        && text.chars().all(|c| lower_or_digit(c) || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_the_environment_has_no_capitals_and_no_dots() {
        for (text, fits) in [
            ("ops", true),
            ("7-of_9", true),
            ("Ops", false),
            ("ops.eu", false),
            ("-ops", false),
            ("_ops", false),
            ("é", false),
            ("", false),
            ("much-too-long", false),
        ] {
            assert_eq!(is_lower_case_name(text, 9), fits, "{text}");
        }
    }

    #[track_caller]
    fn check(one: &str, other: &str, collides: bool) {
        let (first, second) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(collide(first, second), collides, "{one} and {other}");
        assert_eq!(collide(second, first), collides, "{other} and {one}");
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "100ms", "30s", "90d", "3650d", "1h", "1d 1h", "2m 30s 5ms"] {
            assert_eq!(written(duration(text).unwrap()), text);
        }
        assert_eq!(written(duration("9years 11months 27days 21h 50m 24s").unwrap()), "3650d");
        assert_eq!(written(duration("1week").unwrap()), "7d");
    }

    #[test]
    fn two_listeners_collide_where_their_addresses_overlap_at_one_port() {
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("0.0.0.0:80", "127.0.0.1:80", true);
        check("[::]:80", "127.0.0.1:80", true);
        check("[::]:80", "[::1]:80", true);
        check("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true);
        check("0.0.0.0:80", "[::1]:80", false);
        check("127.0.0.1:80", "127.0.0.2:80", false);
        check("127.0.0.1:80", "127.0.0.1:81", false);
        check("0.0.0.0:0", "0.0.0.0:0", false);
    }
}
