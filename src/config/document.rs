//! Reading a TOML document so that every mistake in it is found at once, each with its line and column.
//!
//! A reader never stops: where a value is absent or wrong it notes a mistake and goes on with a stand-in. Stand-ins
//! never leave this module, because a document with a mistake has no value. Mistakes never repeat what the file
//! says, since a secret may have been pasted into the wrong place.

use std::cell::RefCell;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::mistakes::{Found, Mistake, placed};
use crate::domain::policy::Violation;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a person writes it.
    Toml,
    /// As it is hashed, where whole numbers stand in quotes like all others.
    Canonical,
}

/// A document that was read, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Document<'t, T> {
    file: &'t Path,
    text: &'t str,
    root: Spanned<DeValue<'t>>,
    value: T,
    found: Vec<Found>,
    /// Keys given twice; what is read is the first.
    twice: Vec<Found>,
}

impl<'t, T: Read> Document<'t, T> {
    /// Reads `text`. A key that is given twice is a mistake beside the others, and the first is read.
    ///
    /// # Errors
    /// Where it is not TOML at all: a value read from the rest would only mislead.
    pub(crate) fn read(file: &'t Path, text: &'t str) -> Result<Self, Vec<Mistake>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let root = Spanned::new(0..0, DeValue::Table(table.into_inner()));
        Self::of(Form::Toml, (file, text), root, &errors)
    }

    /// Reads a document in its canonical form, given as [`super::published::as_toml`] writes it.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub(crate) fn read_canonical(file: &'t Path, text: &'t str) -> Result<Self, Vec<Mistake>> {
        let (root, errors) = DeValue::parse_recoverable(text);
        Self::of(Form::Canonical, (file, text), root, &errors)
    }

    fn of(
        form: Form,
        (file, text): (&'t Path, &'t str),
        root: Spanned<DeValue<'t>>,
        errors: &[Error],
    ) -> Result<Self, Vec<Mistake>> {
        let (twice, broken): (Vec<_>, Vec<_>) = errors.iter().partition(|e| e.message() == DUPLICATE);
        let twice = twice.into_iter().map(|error| given_twice(text, error)).collect();
        if !broken.is_empty() {
            return Err(placed(file, text, unreadable(form, &broken, twice)));
        }
        let log = RefCell::default();
        let at = At { log: &log, form, key: String::new(), offset: 0, value: Some(root.get_ref()) };
        let value = T::read(&at);
        let found = log.into_inner();
        Ok(Self { file, text, root, value, found, twice })
    }

    /// What was read; holds stand-ins where there are mistakes.
    pub(crate) const fn value(&self) -> &T {
        &self.value
    }

    /// Whether the value at `key` was read without a mistake, so that rules about it make sense.
    pub(crate) fn is_sound(&self, key: &str) -> bool {
        !self.found.iter().any(|found| covers(&found.key, key))
    }

    /// Notes broken rules, except those about keys that are already known to be wrong. Of these rules one about a table hides none
    /// about a key in it.
    pub(crate) fn note(&mut self, violations: Vec<Violation>) {
        let mut broken: Vec<Found> = Vec::new();
        for Violation { path, against, message } in violations {
            let new = broken.iter().all(|found| found.key != path);
            let comparable = |other: String| {
                self.is_sound(&other) && !broken.iter().any(|found| covers(&found.key, &other))
            };
            if new && self.is_sound(&path) && against.is_none_or(comparable) {
                broken.push(Found { offset: offset_of(&self.root, &path), key: path, message });
            }
        }
        self.found.extend(broken);
    }

    /// The value of a document without mistakes.
    ///
    /// # Errors
    /// All mistakes, in the order of the text.
    pub(crate) fn finish(self) -> Result<T, Vec<Mistake>> {
        let found: Vec<Found> = self.found.into_iter().chain(self.twice).collect();
        if found.is_empty() { Ok(self.value) } else { Err(placed(self.file, self.text, found)) }
    }
}

/// What the parser says of a key that is given twice.
const DUPLICATE: &str = "duplicate key";

fn given_twice(text: &str, error: &Error) -> Found {
    let span = error.span().unwrap_or_default();
    let key = shown(text.get(span.clone()).unwrap_or_default().trim_matches('"'));
    let message = "given twice in the same table; remove one of the two".into();
    Found { offset: span.start, key, message }
}

/// Everything that keeps a text from being TOML, and that nothing else was looked at.
fn unreadable(form: Form, broken: &[&Error], twice: Vec<Found>) -> Vec<Found> {
    let kind = match form {
        Form::Toml => "not TOML",
        Form::Canonical => "not as `keeper policy show` prints a policy",
    };
    let last = broken.len().saturating_sub(1);
    let found = broken.iter().enumerate().map(|(i, error)| {
        let rest = if i == last { "; mend it first, since the rest of the file was not checked" } else { "" };
        Found {
            offset: error.span().map_or(0, |span| span.start),
            key: String::new(),
            message: format!("{kind}: {}{rest}", error.message()),
        }
    });
    found.chain(twice).collect()
}

/// One place in the document: a key, and the value it has, if any.
pub(crate) struct At<'t> {
    log: &'t RefCell<Vec<Found>>,
    form: Form,
    key: String,
    offset: usize,
    value: Option<&'t DeValue<'t>>,
}

impl<'t> At<'t> {
    /// Notes that this place is wrong.
    pub(crate) fn mistake(&self, message: impl Into<String>) {
        self.log.borrow_mut().push(Found {
            offset: self.offset,
            key: self.key.clone(),
            message: message.into(),
        });
    }

    /// How the document is written.
    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    /// The value, absent where that was already noted.
    pub(crate) const fn value(&self) -> Option<&'t DeValue<'t>> {
        self.value
    }

    /// What `pick` finds in the value; nothing where it is absent or, which is noted, of another type.
    pub(crate) fn pick<V>(
        &self,
        expected: &str,
        pick: impl FnOnce(&'t DeValue<'t>) -> Option<V>,
    ) -> Option<V> {
        let value = self.value?;
        let picked = pick(value);
        if picked.is_none() {
            self.mistake(format!("is {}; expected {expected}", type_name(value)));
        }
        picked
    }

    /// The text of a string value.
    pub(crate) fn text(&self, expected: &str) -> Option<&'t str> {
        self.pick(expected, |value| value.as_str())
    }

    /// A string value read by `parse`.
    pub(crate) fn parsed<V>(&self, expected: &str, parse: impl FnOnce(&str) -> Option<V>) -> Option<V> {
        let parsed = parse(self.text(expected)?);
        if parsed.is_none() {
            self.mistake(format!("is not valid; expected {expected}"));
        }
        parsed
    }

    /// The table here; every key in it must be one of `keys`.
    pub(crate) fn table(&self, keys: &[&str]) -> Table<'_, 't> {
        let table = self.open();
        table.only(keys);
        table
    }

    /// The table here and its `tag`, which must be one of `tags`; otherwise the first one, and no table.
    pub(crate) fn tagged(&self, tag: &str, tags: &[&'static str]) -> (&'static str, Table<'_, 't>) {
        let mut table = self.open();
        let expected = one_of(tags);
        let known = match table.get(tag) {
            Some(at) => at.parsed(&expected, |text| tags.iter().copied().find(|known| *known == text)),
            None => {
                if table.entries.is_some() {
                    self.child(tag, None).mistake(format!("missing; expected {expected}"));
                }
                None
            }
        };
        if known.is_none() {
            table.entries = None;
        }
        (known.or_else(|| tags.first().copied()).unwrap_or_default(), table)
    }

    fn open(&self) -> Table<'_, 't> {
        Table { at: self, entries: self.pick("a table", |value| value.as_table()) }
    }

    /// The elements of the list here.
    pub(crate) fn elements(&self) -> Vec<Self> {
        let elements = self.pick("a list", |value| value.as_array());
        let elements = elements.into_iter().flat_map(|elements| elements.iter()).enumerate();
        elements
            .map(|(i, value)| Self {
                log: self.log,
                form: self.form,
                key: format!("{}[{i}]", self.key),
                offset: value.span().start,
                value: Some(value.get_ref()),
            })
            .collect()
    }

    fn child(&self, key: &str, value: Option<&'t Spanned<DeValue<'t>>>) -> Self {
        let key = if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) };
        let offset = value.map_or(self.offset, |value| value.span().start);
        Self { log: self.log, form: self.form, key, offset, value: value.map(Spanned::get_ref) }
    }
}

/// The table at a place; without entries where there is none, which has been noted.
pub(crate) struct Table<'a, 't> {
    at: &'a At<'t>,
    entries: Option<&'t DeTable<'t>>,
}

impl<'t> Table<'_, 't> {
    /// Notes every key that is not one of `keys`.
    pub(crate) fn only(&self, keys: &[&str]) {
        for (key, _) in self.entries.into_iter().flatten() {
            if !keys.contains(&key.get_ref().as_ref()) {
                let mut at = self.at.child(&shown(key.get_ref()), None);
                at.offset = key.span().start;
                at.mistake(format!("unknown key; expected {}", one_of(keys)));
            }
        }
    }

    /// Notes that the table as a whole is wrong, unless there is none.
    pub(crate) fn wrong(&self, message: &str) {
        if self.entries.is_some() {
            self.at.mistake(message);
        }
    }

    /// The value of `key`; its absence is a mistake unless its type says otherwise.
    pub(crate) fn field<T: Read>(&self, key: &str) -> T {
        match self.get(key) {
            Some(at) => T::read(&at),
            None if self.entries.is_some() => T::absent(&self.at.child(key, None)),
            None => T::read(&self.at.child(key, None)),
        }
    }

    /// The value of `key`, or `default` where it is absent.
    pub(crate) fn field_or<T: Read>(&self, key: &str, default: impl FnOnce() -> T) -> T {
        self.get(key).map_or_else(default, |at| T::read(&at))
    }

    fn get(&self, key: &str) -> Option<At<'t>> {
        let (_, value) = self.entries?.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(self.at.child(key, Some(value)))
    }
}

/// A type that can be read from a place.
pub(crate) trait Read: Sized {
    /// What a person should write, as in "a table".
    const EXPECTED: &'static str;

    /// Reads the value, or notes what is wrong with it and returns a stand-in. Where the place holds no value,
    /// that has been noted already.
    fn read(at: &At<'_>) -> Self;

    /// What an absent key means: a mistake, unless the type says otherwise.
    fn absent(at: &At<'_>) -> Self {
        at.mistake(format!("missing; expected {}", Self::EXPECTED));
        Self::read(at)
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    if quoted.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) }
}

/// A key as it may be shown: anything longer or stranger than a name could be a secret.
fn shown(key: &str) -> String {
    let is_name = key.len() <= 32 && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if is_name { key.to_owned() } else { "(key not shown)".to_owned() }
}

/// Whether `key` is `outer` or inside it.
fn covers(outer: &str, key: &str) -> bool {
    key.strip_prefix(outer)
        .is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Where `path` stands in the text, or the innermost table around it that is there.
fn offset_of(root: &Spanned<DeValue<'_>>, path: &str) -> usize {
    let mut place = root;
    for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
        let next = match place.get_ref() {
            DeValue::Table(entries) => entries.iter().find(|(key, _)| key.get_ref() == step).map(|(_, v)| v),
            DeValue::Array(elements) => step.parse::<usize>().ok().and_then(|i| elements.get(i)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => None,
        };
        match next {
            Some(next) => place = next,
            None => break,
        }
    }
    place.span().start
}
