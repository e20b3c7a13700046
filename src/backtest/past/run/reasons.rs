//! How often a policy said what.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use crate::domain::decision::Verdict;
use crate::domain::reason::Reason;

/// How often each reason was given. A name is looked up once.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<(&'static str, Discriminant<Reason>, String, u64)>);

impl Reasons {
    pub(super) fn count(&mut self, verdict: &Verdict) {
        let (name, kind) = (verdict.name(), discriminant(verdict.reason()));
        match self.0.iter_mut().find(|(known, reason, ..)| *known == name && *reason == kind) {
            Some((.., count)) => *count = count.saturating_add(1),
            None => self.0.push((name, kind, verdict.reason().code(), 1)),
        }
    }

    /// By `verdict: code`.
    pub(super) fn named(self) -> BTreeMap<String, u64> {
        self.0.into_iter().map(|(verdict, _, code, count)| (format!("{verdict}: {code}"), count)).collect()
    }
}
