//! `keeper.toml`, policy files and the environment, as validated values.
//!
//! Rules kept here: every mistake is reported at once with its file and line; unknown keys are mistakes; secrets come
//! from the environment or a keystore alone, are read only when a command needs them, and are never shown.

mod amended;
pub(crate) mod document;
mod environment;
mod keeper;
mod mistakes;
mod policy;
mod published;
mod scalars;
pub(crate) mod shapes;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub(crate) use amended::amend;
pub use amended::{Amendment, KeyPath, amended_policy};
pub use environment::{Environment, Secret};
pub use keeper::{
    AwsKmsKey, ChainConfig, Config, Endpoint, EndpointClass, Finality, GoogleKmsKey, HealthConfig, KeySource,
    LedgerKey, Location, Password, RelayMethod, RemoteKey, SendingConfig, SignerConfig, SubmissionPolicy,
    Unlocked, VaultConfig,
};
pub use mistakes::{Mistake, Mistakes};
pub use policy::load_policy;

/// Why there is no configuration to work with. All of them end a command with exit code 2.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file is not there.
    #[error("there is no file {}: {remedy}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Keys are wrong; all of them are listed.
    #[error("{0}")]
    Mistakes(Mistakes),
    /// The `.env` file has a line that is not `NAME=value`.
    #[error("{}:{line}: expected NAME=value, with quotes around a value that has spaces", path.display())]
    EnvironmentFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// A variable that a command needs is not set.
    #[error(
        "{variable} is not set, and {wanted_by} needs it: export it or put it in .env (.env.example shows how)"
    )]
    MissingSecret {
        /// The variable.
        variable: String,
        /// Who needs it.
        wanted_by: String,
    },
    /// A variable is set to something that cannot be used.
    #[error("{variable}, which {wanted_by} needs, is set but not usable: expected {expected}")]
    BadSecret {
        /// The variable.
        variable: String,
        /// Who needs it.
        wanted_by: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A keystore cannot be opened.
    #[error("cannot open the keystore {} of {wanted_by} with the password {password}: {reason}", path.display())]
    Keystore {
        /// The keystore.
        path: PathBuf,
        /// Who needs it.
        wanted_by: String,
        /// Where its password is.
        password: String,
        /// What the keystore says.
        reason: String,
    },
    /// A keystore has no password to open it with.
    #[error("there is no password for the keystore of {wanted_by}: {reason}")]
    NoPassword {
        /// Who needs it.
        wanted_by: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A command names a vault that `keeper.toml` does not have.
    #[error("there is no vault `{name}` in the configuration; it has: {known}")]
    UnknownVault {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
}

impl From<Vec<Mistake>> for ConfigError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::Mistakes(Mistakes(mistakes))
    }
}

pub(crate) fn read_file(path: &Path, remedy: &'static str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::NotFound {
            ConfigError::Missing { path, remedy }
        } else {
            ConfigError::Unreadable { path, source }
        }
    })
}
