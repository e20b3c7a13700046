//! The password of a keystore: from the environment, a file of its owner alone, or a person.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::super::super::{ConfigError, Environment, Secret};

/// Longest password that is read from a file, bytes.
const LONGEST: u64 = 4_096;

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// In this environment variable.
    Variable(String),
    /// In this file, which its owner alone may read; a line's end after it is left out.
    File(PathBuf),
    /// In a person's head: asked for on the terminal.
    Prompt,
}

impl Password {
    /// Reads the password of `keystore`, or asks for it.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`] or [`ConfigError::NoPassword`], with what to do.
    pub(super) fn read(
        &self,
        keystore: &Path,
        environment: &Environment,
        wanted_by: &str,
    ) -> Result<Secret, ConfigError> {
        let none = |reason| ConfigError::NoPassword { wanted_by: wanted_by.to_owned(), reason };
        match self {
            Self::Variable(variable) => environment.secret(variable, wanted_by),
            Self::File(path) => in_file(path).map_err(none),
            Self::Prompt => typed(keystore, wanted_by).map_err(none),
        }
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => write!(f, "in {variable}"),
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Prompt => f.write_str("that was typed"),
        }
    }
}

fn in_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            return format!("there is no file {shown}: password_file names it, relative to keeper.toml");
        }
        format!("{shown} cannot be read: {error}")
    };
    // What is looked at and what is read are the same file.
    let file = File::open(path).map_err(unreadable)?;
    if let Some(mode) = of_others(&file).map_err(unreadable)? {
        return Err(format!("others may read {shown} (mode {mode:04o}): `chmod 600` it"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    if password.is_empty() { Err(format!("{shown} is empty")) } else { Ok(Secret::new(password)) }
}

/// The mode of a file that its group or others may use in any way.
#[cfg(unix)]
fn of_others(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

#[cfg(not(unix))]
fn of_others(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

fn typed(keystore: &Path, wanted_by: &str) -> Result<Secret, String> {
    if !io::stdin().is_terminal() {
        return Err(
            "standard input is no terminal to ask on: name `password_env` or `password_file` in its \
                    [[signer]]"
                .to_owned(),
        );
    }
    let question = format!("Password of the keystore {} ({wanted_by}): ", keystore.display());
    let password =
        rpassword::prompt_password(question).map_err(|error| format!("it cannot be asked for: {error}"))?;
    if password.is_empty() { Err("nothing was typed".to_owned()) } else { Ok(Secret::new(password)) }
}
