//! The program as a test runs it: in a directory of its own, with an environment of its own.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The JSON document that it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Level and text of the findings of one check.
    pub(crate) fn findings(&self, check: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = self.json();
        let of_check = all.as_array().unwrap().iter().filter(|finding| finding["check"] == check);
        of_check.map(|finding| (text(&finding["level"]), text(&finding["what"]))).collect()
    }
}

/// A directory to work in, and the variables that the program sees.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Place {
    /// An empty directory, and no variables.
    pub(crate) fn empty() -> Self {
        Self { directory: TempDir::new().unwrap(), environment: Vec::new() }
    }

    /// This configuration and policy, where the example has them.
    pub(crate) fn with(keeper: &str, policy: &str) -> Self {
        let place = Self::empty();
        place.write("keeper.toml", keeper);
        std::fs::create_dir_all(place.path("examples/policies")).unwrap();
        place.write("examples/policies/cppi.toml", policy);
        place
    }

    /// With a key and a node's address in the environment.
    pub(crate) fn and_secrets(self, key: &str, url: &str) -> Self {
        let secrets = [("KEEPER_PRIVATE_KEY", key.to_owned()), ("ETH_RPC_URL", url.to_owned())];
        Self { environment: secrets.into(), ..self }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Changes one line of the configuration.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("keeper.toml")).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` must be in the configuration once");
        self.write("keeper.toml", &text.replacen(from, to, 1));
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_keeper"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
