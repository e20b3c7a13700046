//! The golden decisions: facts under a policy, what was decided on them, and its hashes, as files.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use vault_keeper::config::load_policy;
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{Recorded, decide};
use vault_keeper::domain::policy::PublishedPolicy;
use vault_keeper::domain::snapshot::Snapshot;

/// One decision in a folder of its own.
pub(crate) struct Golden {
    /// Name of its folder.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Golden {
    /// All of them, by name.
    pub(crate) fn all() -> Vec<Self> {
        let mut names: Vec<_> = std::fs::read_dir(Self::named("").folder)
            .expect("the fixtures are there")
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names.into_iter().map(Self::named).collect()
    }

    /// The golden one of this name.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self::under("tests/fixtures/golden", name)
    }

    /// The one of this name under a folder of the repository.
    pub(crate) fn under(folder: &str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(&name), name }
    }

    /// `snapshot.json`, `policy.json` or `decision.json`.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
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

    /// Writes the facts, the policy, and what is decided on them now.
    pub(crate) fn record(&self, (snapshot, policy): &(Snapshot, PublishedPolicy)) {
        self.write("snapshot.json", snapshot);
        self.write("policy.json", policy.policy());
        let recorded = Recorded::of(snapshot, policy, decide(snapshot, policy)).expect("a canonical form");
        self.write("decision.json", &recorded);
    }

    /// Writes one of the files anew, with an end of line that is not hashed.
    fn write<T: Serialize>(&self, file: &str, value: &T) {
        std::fs::create_dir_all(&self.folder).expect("a folder");
        let text = canonical::json(value).expect("a canonical form");
        std::fs::write(self.path(file), format!("{text}\n")).expect("the file is written");
    }
}
