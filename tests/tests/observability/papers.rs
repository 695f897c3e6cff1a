//! The files under test, as they lie in the repository.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// Where runbooks are read. An alert's section there is its name in words.
pub(crate) const RUNBOOKS: &str = "https://github.com/postrider/postrider/blob/main/docs/OPERATIONS.md";

/// The dashboards: file name without `.json`; the uid is that with `postrider-` before it.
pub(crate) const DASHBOARDS: [&str; 3] = ["overview", "lane", "ingest"];

/// A path in the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// A file's text.
#[track_caller]
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
}

/// A dashboard.
#[track_caller]
pub(crate) fn dashboard(name: &str) -> Value {
    let file = format!("grafana/dashboards/{name}.json");
    serde_json::from_str(&read(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The panels that show something; rows are left out.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row").collect()
}

/// A list within; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// A text within; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Every query of a dashboard, with a name for it: panels, annotations, and what the variables ask for.
pub(crate) fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in list(panel, "targets") {
            let name = format!("panel {:?} {}", text(panel, "title"), text(target, "refId"));
            found.push((name, text(target, "expr").to_owned()));
        }
    }
    for annotation in list(&dashboard["annotations"], "list") {
        found.push((format!("annotation {:?}", text(annotation, "name")), text(annotation, "expr").to_owned()));
    }
    for variable in list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query") {
        // label_values(SELECTOR, LABEL)
        let definition = text(variable, "definition");
        let inner = definition.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
        let (selector, _) = inner.unwrap_or_else(|| panic!("a variable asks for label_values: {definition}"));
        found.push((format!("variable {:?}", text(variable, "name")), selector.to_owned()));
    }
    found
}
