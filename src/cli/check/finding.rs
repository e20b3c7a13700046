//! One finding of `keeper check`.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The keeper works, but somebody should look.
    Warning,
    /// The keeper cannot work.
    Error,
}

/// What was found and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Stable name of what was looked at.
    pub(super) check: &'static str,
    /// What was found.
    pub(super) what: String,
    /// What to do; absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, what: what.into(), remedy: None }
    }

    pub(super) fn warning(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, check, what: what.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn error(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Error, ..Self::warning(check, what, remedy) }
    }

    /// What could not be looked at because a node failed.
    pub(super) fn unread(check: &'static str, error: &impl ToString) -> Self {
        Self::error(check, error.to_string(), "check the endpoint, then run `keeper check` again")
    }
}
