//! What keeps other web pages away from a server that asks nobody who they are.

use std::net::IpAddr;

use axum::http::{HeaderMap, header::HOST};

/// Whether a request names this machine: `localhost`, a name below it, or an IP address. A web page elsewhere can point
/// its own name at 127.0.0.1 and then counts, for the browser, as a page of ours (DNS rebinding); but the browser still
/// sends that name as `Host`. A request without one, or with several of which one is foreign, names another.
#[must_use]
pub fn names_this_machine(headers: &HeaderMap) -> bool {
    let hosts = headers.get_all(HOST);
    hosts.iter().next().is_some() && hosts.iter().all(|host| host.to_str().is_ok_and(is_local))
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let lower = bare.to_ascii_lowercase();
    lower == "localhost" || lower.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&'static str], passes: bool) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        assert_eq!(names_this_machine(&headers), passes, "{hosts:?}");
    }

    #[test]
    fn only_this_machine_s_names_pass() {
        for (host, passes) in [
            ("localhost:8025", true),
            ("LOCALHOST", true),
            ("postrider.localhost:8025", true),
            ("127.0.0.1:8025", true),
            ("[::1]:8025", true),
            ("192.168.0.7:8025", true),
            ("evil.example:8025", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            check(&[host], passes);
        }
        check(&[], false);
        check(&["localhost", "evil.example"], false);
    }
}
