//! What is wrong with an event, each place named by its JSON pointer.

use std::fmt::Write;

use serde::Serialize;
use utoipa::ToSchema;

/// Problems told at once; of a body full of them the rest is only counted.
pub(crate) const PROBLEMS_MAX: usize = 100;
/// Bytes of a pointer that are shown; the names in it are the sender's and may be of any length.
const POINTER_BYTES_MAX: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) into the event.
    #[schema(examples("/email/to/0/address"))]
    pub pointer: String,
    /// What is wrong there and what would be right.
    pub detail: String,
}

/// All that is wrong with one event.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Notes a problem at a place.
    pub(crate) fn add(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        // There may be as many as the body has room for: no text is made of those that are only counted.
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.add_at(path.pointer(), detail);
        }
    }

    /// Notes a problem at a pointer.
    pub(crate) fn add_at(&mut self, pointer: String, detail: impl Into<String>) {
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.list.push(Problem { pointer, detail: detail.into() });
        }
    }

    fn is_full(&self) -> bool {
        PROBLEMS_MAX <= self.list.len()
    }

    /// Notes a finding about the content, unless it only follows from a problem of form at, above or below its place
    /// (a list that could not be read looks empty).
    pub(crate) fn add_unless_known(&mut self, form: usize, pointer: String, detail: String) {
        let known =
            self.list.iter().take(form).any(|p| is_within(&p.pointer, &pointer) || is_within(&pointer, &p.pointer));
        if !known {
            self.add_at(pointer, detail);
        }
    }

    /// How many are listed.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// All of them; none means that the event is valid.
    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let detail = format!("{} further problems are not listed", self.left_out);
            self.list.push(Problem { pointer: String::new(), detail });
        }
        self.list
    }
}

/// Whether `inner` is `outer` or lies below it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Its whole characters within so many bytes.
fn start_of(text: &str, bytes_max: usize) -> &str {
    let fitting =
        text.char_indices().map(|(at, character)| at + character.len_utf8()).take_while(|end| *end <= bytes_max);
    &text[..fitting.last().unwrap_or(0)]
}

/// A place in the document. Lives on the stack; text is only made of it when there is a problem to tell.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The field of that name below this place.
    pub(crate) fn field(&'p self, name: &'p str) -> Self {
        Self::Field(self, name)
    }

    /// The item of that index below this place.
    pub(crate) fn item(&'p self, index: usize) -> Self {
        Self::Item(self, index)
    }

    /// The JSON pointer.
    pub(crate) fn pointer(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        if text.len() > POINTER_BYTES_MAX {
            text.truncate(start_of(&text, POINTER_BYTES_MAX).len());
            text.push('…');
        }
        text
    }

    /// Of a name no more than what may be shown: it can be as long as the body.
    fn write(&self, text: &mut String) {
        match self {
            Self::Root => {}
            Self::Field(parent, name) => {
                parent.write(text);
                text.push('/');
                text.push_str(&start_of(name, POINTER_BYTES_MAX + 1).replace('~', "~0").replace('/', "~1"));
            }
            Self::Item(parent, index) => {
                parent.write(text);
                write!(text, "/{index}").expect("writing to a String cannot fail");
            }
        }
    }
}
