//! As much of PromQL as these tests need to see: names, selectors and ranges. What is text in a query is left out.

/// Every name of a metric of ours or of the process collector, and of every recorded series.
pub(crate) fn metrics(query: &str) -> Vec<String> {
    selectors(query).into_iter().map(|selector| selector.split('{').next().unwrap_or_default().to_owned()).collect()
}

/// Every such name with its matchers.
pub(crate) fn selectors(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(begin) = rest.find(|c: char| is_name(c) || c == '"') {
        rest = &rest[begin..];
        if rest.starts_with('"') {
            rest = &rest[quoted(rest)..];
            continue;
        }
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = behind;
        if name.starts_with("postrider_") || name.starts_with("process_") || name.contains(':') || name == "up" {
            let matchers = if rest.starts_with('{') { &rest[..braced(rest)] } else { "" };
            found.push(format!("{name}{matchers}"));
        }
    }
    found
}

/// Everything between brackets, `$__rate_interval` of `rate(x[$__rate_interval])`.
pub(crate) fn ranges(query: &str) -> Vec<&str> {
    query.split('[').skip(1).filter_map(|rest| rest.split(']').next()).collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Length of the quoted text it begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the matchers in braces it begins with.
fn braced(text: &str) -> usize {
    let mut at = 0;
    while let Some(next) = text[at..].find(['"', '}']) {
        at += next;
        if text[at..].starts_with('}') {
            return at + 1;
        }
        at += quoted(&text[at..]);
    }
    text.len()
}

#[test]
fn names_selectors_and_ranges_are_found_and_text_is_not() {
    let query = r#"sum by (job) (rate(postrider_a_total{job=~"$job", x="}postrider_no"}[$__rate_interval])) / job:postrider_b:sum > up"#;
    assert_eq!(selectors(query), [r#"postrider_a_total{job=~"$job", x="}postrider_no"}"#, "job:postrider_b:sum", "up"]);
    assert_eq!(metrics(query), ["postrider_a_total", "job:postrider_b:sum", "up"]);
    assert_eq!(ranges(query), ["$__rate_interval"]);
}
