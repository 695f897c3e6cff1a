//! Where values come from: the embedded default, below a file, below the environment.

use std::{ffi::OsString, fs, io, path::Path};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{
    problems::{Notes, Problems},
    sandbox,
    section::Section,
};

/// The commented default file, embedded.
pub(crate) const DEFAULT: &str = include_str!("default.toml");
/// What the file is called where none is named.
const FILE_NAME: &str = "postrider.toml";
/// What begins the name of an environment variable that is ours.
const VARIABLE_PREFIX: &str = "POSTRIDER__";
const DEFAULT_NAME: &str = "the default";
const ENVIRONMENT_NAME: &str = "the environment";

/// All layers, merged; every value remembers its layer.
#[derive(Debug)]
pub(crate) struct Layers(Figment);

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The embedded default.
    Default,
    /// The user's file, by its path.
    File(String),
    /// An environment variable.
    Environment,
}

impl Layers {
    /// Reads the file, if there is one, and the variables that are ours.
    pub(crate) fn read(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let file = read_file(file)?;
        Self::of(file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), variables)
    }

    /// The same for `postrider dev`: what points outside gives way to the sandbox.
    pub(crate) fn read_for_dev(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let file = read_file(file)?;
        let (name, mut values) = match file {
            Some((name, text)) => (name.clone(), parse(&name, &text)?),
            None => (FILE_NAME.to_owned(), Dict::new()),
        };
        let mut variables = nest(variables);
        let destinations = sandbox::take_out(&mut [&mut values, &mut variables]);
        let layers = [
            (DEFAULT_NAME, parse(DEFAULT_NAME, DEFAULT)?),
            (DEFAULT_NAME, parse(DEFAULT_NAME, sandbox::BELOW)?),
            (&name, values),
            (ENVIRONMENT_NAME, variables),
            (DEFAULT_NAME, sandbox::above(&destinations)),
        ];
        Ok(Self::stack(layers))
    }

    /// The same from a name and a text.
    pub(crate) fn of(
        file: Option<(&str, &str)>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let (name, text) = file.unwrap_or((FILE_NAME, ""));
        let layers = [
            (DEFAULT_NAME, parse(DEFAULT_NAME, DEFAULT)?),
            (name, parse(name, text)?),
            (ENVIRONMENT_NAME, nest(variables)),
        ];
        Ok(Self::stack(layers))
    }

    /// Later layers lie above earlier ones.
    fn stack<const N: usize>(mut layers: [(&str, Dict); N]) -> Self {
        for above in 1..N {
            let (below, above) = layers.split_at_mut(above);
            below.iter_mut().for_each(|(_, values)| number_lists(values, &above[0].1));
        }
        let layers = layers.into_iter().map(|(name, values)| Layer { name: name.to_owned(), values });
        Self(layers.fold(Figment::new(), Figment::merge))
    }

    /// The whole as one section.
    pub(super) fn root<'a>(&'a self, problems: &'a Notes) -> Section<'a> {
        Section::root(self.values(), self, problems)
    }

    /// The merged values.
    pub(super) fn values(&self) -> Dict {
        match self.0.find_value("") {
            Ok(Value::Dict(_, values)) => values,
            Ok(_) | Err(_) => Dict::new(),
        }
    }

    /// The layer that a value was written in.
    pub(super) fn origin(&self, value: &Value) -> Origin {
        match self.0.get_metadata(value.tag()).map(|metadata| metadata.name.as_ref()) {
            Some(ENVIRONMENT_NAME) => Origin::Environment,
            Some(DEFAULT_NAME) | None => Origin::Default,
            Some(file) => Origin::File(file.to_owned()),
        }
    }
}

/// The variables that are ours. Of the others not even the encoding is our business.
pub(crate) fn environment() -> Result<Vec<(String, String)>, Problems> {
    ours(std::env::vars_os())
}

/// The problem never shows the value: it may be a secret.
fn ours(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, Problems> {
    let mut found = Vec::new();
    let notes = Notes::default();
    for (name, value) in variables {
        if name.as_encoded_bytes().starts_with(VARIABLE_PREFIX.as_bytes()) {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => found.push((name, value)),
                (Ok(name), Err(_)) => notes.add(&name, "is not UTF-8 (in the environment)"),
                (Err(name), _) => {
                    notes.add(&name.to_string_lossy(), "has a name that is not UTF-8 (in the environment)")
                }
            }
        }
    }
    match notes.into_problems() {
        Some(problems) => Err(problems),
        None => Ok(found),
    }
}

/// The name of the environment variable that overrides `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Name and text of the file; none where none was named and the usual one is not there.
fn read_file(file: Option<&Path>) -> Result<Option<(String, String)>, Problems> {
    let path = file.unwrap_or(Path::new(FILE_NAME));
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    Problems::one(format!("cannot read {}: {error}; name another with --config", path.display()))
}

/// Never shows the line itself: it may hold a secret.
fn parse(name: &str, text: &str) -> Result<Dict, Problems> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Problems::one(format!("{name}, line {line}: not TOML: {}", error.message()))
    })?;
    match Value::serialize(table) {
        Ok(Value::Dict(_, values)) => Ok(values),
        Ok(_) => Ok(Dict::new()),
        Err(error) => Err(Problems::one(format!("{name}: {error}"))),
    }
}

/// `POSTRIDER__A__B=x` becomes `a.b = "x"`; the sections read numbers and lists out of the text.
fn nest(variables: impl Iterator<Item = (String, String)>) -> Dict {
    let mut root = Dict::new();
    for (name, text) in variables {
        if let Some(path) = name.strip_prefix(VARIABLE_PREFIX) {
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            insert(&mut root, &keys, text);
        }
    }
    root
}

fn insert(values: &mut Dict, keys: &[String], text: String) {
    let Some((key, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        values.insert(key.clone(), Value::from(text));
        return;
    }
    let inner = values.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, text);
    }
}

/// Turns each list into a table by number where `above` has a table: `KEY__0__FIELD` is a field of the list's first item
/// and leaves the others alone, where figment would put the table in the place of the whole list.
fn number_lists(values: &mut Dict, above: &Dict) {
    for (key, value) in values {
        let Some(Value::Dict(_, above)) = above.get(key) else { continue };
        if let Value::Array(tag, items) = value {
            let items = std::mem::take(items).into_iter().enumerate();
            *value = Value::Dict(*tag, items.map(|(number, item)| (number.to_string(), item)).collect());
        }
        if let Value::Dict(_, inner) = value {
            number_lists(inner, above);
        }
    }
}

/// One layer as figment takes it.
struct Layer {
    name: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
