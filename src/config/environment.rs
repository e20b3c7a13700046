//! The environment as a value, read in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{ConfigError, read_file};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one use it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The variables of the process and of a `.env` file. Shows their names, never what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, Secret>,
}

impl Environment {
    /// The process's variables, and those of `directory/.env` that the process does not set.
    ///
    /// # Errors
    /// Where `.env` is there and cannot be read; its absence is no error.
    pub fn of_process(directory: &Path) -> Result<Self, ConfigError> {
        let path = directory.join(".env");
        let mut environment = match read_file(&path, "") {
            Ok(text) => Self::of_file(&path, &text)?,
            Err(ConfigError::Missing { .. }) => Self::default(),
            Err(other) => return Err(other),
        };
        environment.variables.extend(Self::of_variables().variables);
        Ok(environment)
    }

    /// The process's variables alone.
    #[must_use]
    pub fn of_variables() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
        let variables = std::env::vars_os();
        // A variable whose text is not Unicode is none of ours.
        let ours =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: ours.map(|(name, value)| (name, Secret(value))).collect() }
    }

    /// Whether a terminal may be written to in colours: unless `NO_COLOR` is set and not empty (no-color.org), or
    /// `TERM` is `dumb`.
    #[must_use]
    pub fn allows_colours(&self) -> bool {
        let text = |variable| self.variables.get(variable).map_or("", Secret::expose);
        text("NO_COLOR").is_empty() && text("TERM") != "dumb"
    }

    /// Where all keepers of this user lock their keys: below `XDG_STATE_HOME`, or `~/.local/state` where that is not set.
    /// `None` where there is no home either.
    #[must_use]
    pub fn key_locks(&self) -> Option<PathBuf> {
        let directory = |variable| {
            let path = PathBuf::from(self.variables.get(variable)?.expose());
            path.is_absolute().then_some(path)
        };
        let state = directory("XDG_STATE_HOME").or_else(|| Some(directory("HOME")?.join(".local/state")));
        state.map(|state| state.join("vault-keeper/keys"))
    }

    /// These variables alone.
    #[must_use]
    pub fn of_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value)));
        Self { variables: variables.collect() }
    }

    /// The variables in the text of a `.env` file.
    ///
    /// # Errors
    /// [`ConfigError::EnvironmentFile`] with the line, but not with what stands there.
    pub fn of_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let read = |entry: dotenvy::Result<(String, String)>| match entry {
            Ok((name, value)) => Ok((name, Secret(value))),
            Err(dotenvy::Error::LineParse(line, _)) => {
                let at = text.lines().position(|candidate| candidate.trim() == line.trim()).unwrap_or(0);
                Err(ConfigError::EnvironmentFile { path: path.to_owned(), line: at.saturating_add(1) })
            }
            Err(other) => Err(ConfigError::Unreadable {
                path: path.to_owned(),
                source: io::Error::other(other.to_string()),
            }),
        };
        let variables = dotenvy::from_read_iter(text.as_bytes()).map(read).collect::<Result<_, _>>()?;
        Ok(Self { variables })
    }

    /// What `variable` holds, without the spaces around it; one that is empty counts as not set.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`], naming `wanted_by`.
    pub fn secret(&self, variable: &str, wanted_by: &str) -> Result<Secret, ConfigError> {
        match self.variables.get(variable).map(|secret| secret.expose().trim()) {
            Some(text) if !text.is_empty() => Ok(Secret::new(text)),
            _ => Err(ConfigError::MissingSecret {
                variable: variable.to_owned(),
                wanted_by: wanted_by.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_variables_and_hides_them() {
        let text = "# a comment\nRPC=http://localhost:8545/key\nexport KEY=\"quoted text\"\nEMPTY=\n";
        let environment = Environment::of_file(Path::new(".env"), text).unwrap();
        assert_eq!(environment.secret("RPC", "a test").unwrap().expose(), "http://localhost:8545/key");
        assert_eq!(environment.secret("KEY", "a test").unwrap().expose(), "quoted text");
        assert!(environment.secret("EMPTY", "a test").is_err());
        assert_eq!(
            format!("{environment:?}"),
            r#"Environment { variables: {"EMPTY": (secret), "KEY": (secret), "RPC": (secret)} }"#
        );
    }

    #[test]
    fn a_broken_line_is_named_by_number_and_not_repeated() {
        let error = Environment::of_file(Path::new("x/.env"), "A=1\n\nB C D-secret\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "x/.env:3: expected NAME=value, with quotes around a value that has spaces"
        );
    }

    #[test]
    fn colours_are_for_those_who_want_and_can_see_them() {
        let allowed = |pairs: &[(&str, &str)]| Environment::of_pairs(pairs.iter().copied()).allows_colours();
        assert!(allowed(&[]) && allowed(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]));
        assert!(!allowed(&[("NO_COLOR", "1")]) && !allowed(&[("TERM", "dumb")]));
    }

    #[test]
    fn keys_are_locked_in_the_users_state() {
        let locks = |pairs: &[(&str, &str)]| Environment::of_pairs(pairs.iter().copied()).key_locks();
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(locks(&[("HOME", "/h")]), expected("/h/.local/state/vault-keeper/keys"));
        assert_eq!(locks(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), expected("/s/vault-keeper/keys"));
        // The specification has a relative one ignored.
        assert_eq!(locks(&[("XDG_STATE_HOME", "s")]), None);
    }

    #[test]
    fn the_process_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".env"), "PATH=from-the-file\nONLY_IN_FILE=yes\n").unwrap();
        let environment = Environment::of_process(directory.path()).unwrap();
        assert_ne!(environment.secret("PATH", "a test").unwrap().expose(), "from-the-file");
        assert_eq!(environment.secret("ONLY_IN_FILE", "a test").unwrap().expose(), "yes");
        assert!(Environment::of_process(&directory.path().join("nowhere")).is_ok());
    }
}
