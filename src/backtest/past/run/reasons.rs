//! How often each reason was given.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use crate::domain::decision::{Quiet, Verdict};
use crate::domain::reason::Reason;

/// How often each reason was given. A name is looked up once.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    decided: Vec<(&'static str, Discriminant<Reason>, String, u64)>,
    quiet: Vec<(Quiet, u64)>,
}

impl Reasons {
    pub(super) fn count(&mut self, verdict: &Verdict) {
        let (name, kind) = (verdict.name(), discriminant(verdict.reason()));
        match self.decided.iter_mut().find(|(known, reason, ..)| *known == name && *reason == kind) {
            Some((.., count)) => *count = count.saturating_add(1),
            None => self.decided.push((name, kind, verdict.reason().code(), 1)),
        }
    }

    /// Counts a decision that was only glanced at.
    pub(super) fn count_quiet(&mut self, quiet: &Quiet) {
        match self.quiet.iter_mut().find(|(known, _)| known.surely == quiet.surely) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.quiet.push((*quiet, 1)),
        }
    }

    /// By `verdict: code`.
    pub(super) fn named(self) -> BTreeMap<String, u64> {
        let decided =
            self.decided.iter().map(|(verdict, _, code, count)| (format!("{verdict}: {code}"), *count));
        let quiet = self.quiet.iter().map(|(quiet, count)| (format!("hold: {}", quiet.code()), *count));
        let mut named = BTreeMap::new();
        for (name, count) in decided.chain(quiet) {
            let all: &mut u64 = named.entry(name).or_default();
            *all = all.saturating_add(count);
        }
        named
    }
}
