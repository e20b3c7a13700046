//! The mistakes of a grid, noted at their places while it is read on.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::Mistake;

/// A value with its place.
pub(super) type Placed<'t> = Spanned<DeValue<'t>>;

/// The mistakes of a text so far.
pub(super) struct Notes<'t> {
    file: &'t Path,
    text: &'t str,
    mistakes: Vec<Mistake>,
}

impl<'t> Notes<'t> {
    /// None yet.
    pub(super) const fn of(file: &'t Path, text: &'t str) -> Self {
        Self { file, text, mistakes: Vec::new() }
    }

    pub(super) fn mistake(&mut self, offset: usize, key: &str, message: impl Into<String>) {
        self.mistakes.push(Mistake::at(self.file, self.text, offset, key.to_owned(), message.into()));
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// All of them, in the order of the text.
    pub(super) fn in_order(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        self.mistakes
    }
}
