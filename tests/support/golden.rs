//! The golden decisions: facts under a policy, what was decided on them, and its hashes, as files.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use vault_keeper::config::load_policy;
use vault_keeper::domain::canonical;
use vault_keeper::domain::policy::PublishedPolicy;
use vault_keeper::domain::snapshot::Snapshot;

/// One golden decision.
pub(crate) struct Golden {
    /// Name of its folder.
    pub(crate) name: String,
}

impl Golden {
    /// All of them, by name.
    pub(crate) fn all() -> Vec<Self> {
        let mut names: Vec<_> = std::fs::read_dir(folder())
            .expect("the fixtures are there")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names.into_iter().map(Self::named).collect()
    }

    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// `snapshot.json`, `policy.json` or `decision.json`.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        folder().join(&self.name).join(file)
    }

    pub(crate) fn text(&self, file: &str) -> String {
        let text = std::fs::read_to_string(self.path(file));
        text.unwrap_or_else(|error| panic!("{}/{file}: {error}", self.name))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        serde_json::from_str(&self.text("snapshot.json")).expect("a snapshot")
    }

    pub(crate) fn policy(&self) -> PublishedPolicy {
        load_policy(&self.path("policy.json")).expect("a policy")
    }

    /// What was decided, as JSON.
    pub(crate) fn recorded(&self) -> Value {
        serde_json::from_str(&self.text("decision.json")).expect("JSON")
    }

    /// Writes one of the files anew, with an end of line that is not hashed.
    pub(crate) fn write<T: Serialize>(&self, file: &str, value: &T) {
        std::fs::create_dir_all(folder().join(&self.name)).expect("a folder");
        let text = canonical::json(value).expect("a canonical form");
        std::fs::write(self.path(file), format!("{text}\n")).expect("the file is written");
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden")
}
