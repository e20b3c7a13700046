//! Who signs for a vault, and who pauses it.

use std::sync::Arc;

use super::super::SignerConfig;
use super::super::format::VaultEntry;
use super::{Assembly, unknown};
use crate::domain::policy::Violation;

impl Assembly<'_> {
    /// The signers that a vault names, where all are there.
    pub(super) fn signers(&mut self, vault: &str, entry: &VaultEntry) -> Option<Vec<Arc<SignerConfig>>> {
        let named = entry.signers();
        let both = entry.signer.is_some() && entry.signers.is_some();
        if named.is_empty() || both {
            let message = "expected either `signer`, or `signers` with at least one name";
            self.broken.push(Violation::new(vault, message));
        }
        let mut found = Vec::new();
        for (i, (key, name)) in named.iter().enumerate() {
            let path = format!("{vault}.{key}");
            if named.iter().take(i).any(|(_, earlier)| earlier == name) {
                self.broken.push(Violation::new(path, "is named twice; expected each signer once"));
            }
            found.push(self.signer(vault, key, (name, &entry.chain)));
        }
        found.into_iter().collect()
    }

    /// A guardian that is also one of the signers is a mistake.
    pub(super) fn apart(&mut self, vault: &str, entry: &VaultEntry, guardian: &str) {
        let same = entry.signers().into_iter().find(|(_, name)| *name == guardian);
        if let Some((key, _)) = same {
            let message =
                "expected another signer than the vault's keeper has: its nonces are the keeper's alone";
            self.broken.push(Violation::between(
                format!("{vault}.guardian"),
                format!("{vault}.{key}"),
                message,
            ));
        }
    }

    /// The signer that `field` of a vault names, where it is there; one of another chain is noted.
    pub(super) fn signer(
        &mut self,
        key: &str,
        field: &str,
        (name, chain): (&str, &str),
    ) -> Option<Arc<SignerConfig>> {
        let path = format!("{key}.{field}");
        let signers = self.signers.iter().map(|signer| &signer.name);
        self.broken.extend(unknown(path.clone(), "signer", name, signers));
        let signer = self.signers.iter().find(|signer| signer.name == name).cloned()?;
        if let Some(only) = signer.chain.as_ref().filter(|only| *only != chain) {
            let message =
                format!("expected a signer for the vault's chain; this one signs for `{only}` alone");
            self.broken.push(Violation::between(path, format!("{key}.chain"), message));
        }
        Some(signer)
    }
}
