//! A section as it is read: typed, remembering which keys were asked for and every problem on the way.

use std::time::Duration;
use std::{
    cell::RefCell, collections::BTreeSet, fmt::Display, fs, net::SocketAddr, ops::RangeInclusive, path::PathBuf,
};

use figment::value::{Dict, Value};
use postrider_domain::Secret;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    layers::{Layers, Origin, variable},
    problems::Notes,
    values,
};

/// Bytes of a file that holds a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// One table. Every getter answers `None` for a key that is absent or wrong, and notes what is wrong; so a caller asks for
/// all its keys first and gives up only then.
pub(super) struct Section<'a> {
    path: String,
    values: Dict,
    asked: RefCell<BTreeSet<String>>,
    layers: &'a Layers,
    problems: &'a Notes,
}

impl<'a> Section<'a> {
    pub(super) fn root(values: Dict, layers: &'a Layers, problems: &'a Notes) -> Self {
        Self { path: String::new(), values, asked: RefCell::default(), layers, problems }
    }

    /// The table of that name; empty where it is absent.
    pub(super) fn section(&self, key: &str) -> Section<'a> {
        let values = match self.ask(key) {
            Some(Value::Dict(_, values)) => values.clone(),
            Some(_) => {
                self.problem(key, "must be a table");
                Dict::new()
            }
            None => Dict::new(),
        };
        Section { path: self.path_of(key), values, ..Section::root(Dict::new(), self.layers, self.problems) }
    }

    /// The tables inside this one, by name.
    pub(super) fn sections(&self) -> Vec<(String, Section<'a>)> {
        self.values.keys().map(|key| (key.clone(), self.section(key))).collect()
    }

    /// An array of tables; from the environment `KEY__0__FIELD`.
    pub(super) fn list_of_sections(&self, key: &str) -> Vec<Section<'a>> {
        match self.ask(key) {
            None => Vec::new(),
            Some(Value::Dict(_, _)) => self.section(key).sections().into_iter().map(|(_, section)| section).collect(),
            Some(Value::Array(_, items)) => {
                let inner = items.iter().enumerate().map(|(i, item)| (i.to_string(), item.clone())).collect();
                let list = Section {
                    path: self.path_of(key),
                    values: inner,
                    ..Self::root(Dict::new(), self.layers, self.problems)
                };
                list.sections().into_iter().map(|(_, section)| section).collect()
            }
            Some(_) => {
                self.problem(key, "must be a list of tables");
                Vec::new()
            }
        }
    }

    /// This section, with the values of `below` where it has none.
    pub(super) fn over(mut self, below: &Dict) -> Self {
        for (key, value) in below {
            self.values.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// Whether the user wrote anything in here.
    pub(super) fn is_written(&self) -> bool {
        fn written(layers: &Layers, value: &Value) -> bool {
            match value {
                Value::Dict(_, inner) => inner.values().any(|value| written(layers, value)),
                leaf => layers.origin(leaf) != Origin::Default,
            }
        }
        self.values.values().any(|value| written(self.layers, value))
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.ask(key)? {
            Value::String(_, text) if text.trim().is_empty() => {
                self.problem(key, "is empty; leave the key out, or give it a value");
                None
            }
            Value::String(_, text) => Some(text.clone()),
            _ => {
                self.problem(key, "must be a text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &str, why: &str) -> Option<String> {
        if !self.has(key) {
            self.problem(key, format_args!("is missing: {why}"));
        }
        self.text(key)
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match self.ask(key)? {
            value @ Value::String(_, text) if self.layers.origin(value) == Origin::Environment => {
                text.trim().parse().ok()
            }
            value => value.to_i128().and_then(|number| i64::try_from(number).ok()),
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(key, format_args!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let flag = match self.ask(key)? {
            value @ Value::String(_, text) if self.layers.origin(value) == Origin::Environment => {
                text.trim().parse().ok()
            }
            value => value.to_bool(),
        };
        if flag.is_none() {
            self.problem(key, "must be true or false");
        }
        flag
    }

    /// A duration within bounds.
    pub(super) fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(key)?;
        let duration = values::duration(&text).filter(|duration| range.contains(duration));
        if duration.is_none() {
            let (start, end) = (values::written(*range.start()), values::written(*range.end()));
            self.problem(
                key,
                format_args!("must be a duration from {start} to {end}, such as \"30s\", \"1h\" or \"7d\""),
            );
        }
        duration
    }

    /// A size in bytes within bounds.
    pub(super) fn size(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(key)?;
        let size = values::size(&text).filter(|size| range.contains(size));
        if size.is_none() {
            let (start, end) = (bytesize::ByteSize(*range.start()), bytesize::ByteSize(*range.end()));
            self.problem(key, format_args!("must be a size from {start} to {end}, such as \"10MiB\""));
        }
        size
    }

    /// `address:port`.
    pub(super) fn socket_address(&self, key: &str) -> Option<SocketAddr> {
        let text = self.text(key)?;
        let address = text.replace("localhost:", "127.0.0.1:").parse().ok();
        if address.is_none() {
            self.problem(key, "must be an address and a port, such as \"127.0.0.1:8080\" or \"0.0.0.0:8080\"");
        }
        address
    }

    /// One of a closed list of words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let chosen = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.problem(key, format_args!("must be one of {}", words.join(", ")));
        }
        chosen
    }

    /// A list of texts; from the environment with commas.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let texts: Option<Vec<String>> = match self.ask(key)? {
            value @ Value::String(_, text) if self.layers.origin(value) == Origin::Environment => {
                Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
            }
            Value::Array(_, items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.problem(key, "must be a list of texts, such as [\"a\", \"b\"]");
        }
        texts
    }

    /// A file that can be read.
    pub(super) fn readable_file(&self, key: &str) -> Option<PathBuf> {
        self.readable(key, PathBuf::from(self.text(key)?))
    }

    fn readable(&self, key: &str, path: PathBuf) -> Option<PathBuf> {
        match fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_file() => Some(path),
            Ok(_) => {
                self.problem(key, format_args!("{} is no file", path.display()));
                None
            }
            Err(error) => {
                self.problem(key, format_args!("cannot read {}: {error}", path.display()));
                None
            }
        }
    }

    /// A PEM file with a certificate in it.
    pub(super) fn certificate_file(&self, key: &str) -> Option<PathBuf> {
        let path = self.readable_file(key)?;
        let first = CertificateDer::pem_file_iter(&path).ok().and_then(|mut found| found.next());
        if matches!(first, Some(Ok(_))) {
            return Some(path);
        }
        self.problem(key, format_args!("{} is no PEM file with a certificate in it", path.display()));
        None
    }

    /// Whether a secret was given in either form.
    pub(super) fn has_secret(&self, key: &str) -> bool {
        self.has(key) || self.has(&format!("{key}_file"))
    }

    /// A secret, as `key` or from the file that `key_file` names, its last line break cut off. With `read` false a file
    /// is not opened and the secret is empty: whoever asks so has no use for it.
    pub(super) fn secret(&self, key: &str, read: bool) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let (inline, file) = (self.text(key), self.text(&file_key));
        match (inline, file) {
            (Some(_), Some(_)) => {
                self.problem(key, format_args!("is given twice, also as {file_key}: keep one"));
                None
            }
            (Some(secret), None) => Some(Secret::new(secret)),
            (None, Some(_)) if !read => Some(Secret::new("")),
            (None, Some(path)) => self.secret_in_file(&file_key, path),
            (None, None) => None,
        }
    }

    /// The secret in the file that `key` names.
    pub(super) fn secret_in_file(&self, key: &str, path: impl Into<PathBuf>) -> Option<Secret> {
        let path = self.readable(key, path.into())?;
        let text = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > SECRET_BYTES_MAX => None,
            Ok(_) | Err(_) => fs::read_to_string(&path).ok(),
        };
        let Some(text) = text else {
            self.problem(key, format_args!("{} is no text of at most 64 KiB", path.display()));
            return None;
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            self.problem(key, format_args!("{} is empty", path.display()));
            return None;
        }
        Some(Secret::new(secret))
    }

    /// A setting that is named in the contract but not built: refused, never ignored.
    pub(super) fn not_built(&self, key: &str) {
        if self.ask(key).is_some() {
            self.problem(key, "is not built yet: remove it");
        }
    }

    /// Every key with its text, tables within tables joined by dots: librdkafka's properties.
    pub(super) fn flat_texts(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (key, value) in &self.values {
            self.asked.borrow_mut().insert(key.clone());
            self.flatten(key, value, &mut found);
        }
        found
    }

    fn flatten(&self, key: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Dict(_, inner) => {
                for (name, value) in inner {
                    self.flatten(&format!("{key}.{name}"), value, found);
                }
            }
            Value::String(_, text) if self.layers.origin(value) == Origin::Environment => {
                found.push((key.replace('_', "."), text.clone()));
            }
            Value::String(_, text) => found.push((key.to_owned(), text.clone())),
            Value::Bool(_, flag) => found.push((key.to_owned(), flag.to_string())),
            Value::Num(_, _) => match value.to_i128() {
                Some(number) => found.push((key.to_owned(), number.to_string())),
                None => self.problem(key, "must be a text, a whole number, true or false"),
            },
            Value::Char(..) | Value::Empty(..) | Value::Array(..) => {
                self.problem(key, "must be a text, a whole number, true or false");
            }
        }
    }

    /// Notes a problem of one of this section's keys, and where it was written.
    pub(super) fn problem(&self, key: &str, text: impl Display) {
        let path = self.path_of(key);
        match self.values.get(key).map(|value| self.layers.origin(value)) {
            Some(Origin::File(file)) => self.problems.add(&path, format_args!("{text} (in {file})")),
            Some(Origin::Environment) => {
                self.problems.add(&path, format_args!("{text} (in the environment, {})", variable(&path)));
            }
            Some(Origin::Default) | None => self.problems.add(&path, text),
        }
    }

    /// Notes a problem of the section as a whole.
    pub(super) fn problem_here(&self, text: impl Display) {
        self.problems.add(&self.path, text);
    }

    /// How many problems were noted so far, in all sections.
    pub(super) fn noted(&self) -> usize {
        self.problems.count()
    }

    /// Whatever was not asked for is no key of ours.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for key in self.values.keys().filter(|key| !asked.contains(*key)) {
            let known: Vec<_> = asked.iter().map(String::as_str).collect();
            self.problem(key, format_args!("is no key here; known are {}", known.join(", ")));
        }
    }

    fn ask(&self, key: &str) -> Option<&Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.values.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
