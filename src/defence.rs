//! Defences of the transaction engine that can be switched off one at a time, to show that a test fails without each.
//!
//! Only in a build with the feature `mutants`, which is for `scripts/test-mutants` alone: there the environment variable
//! [`VARIABLE`] names the one that is off. In every other build they are all on, and the switch is no code at all.

/// The environment variable that names the defence to switch off, by its number.
pub const VARIABLE: &str = "KEEPER_DEFENCE_OFF";

/// Whether the defence against the fault of this number (`docs/reliability.md`) is on.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn defended(_fault: u8) -> bool {
    true
}

/// Whether the defence against the fault of this number (`docs/reliability.md`) is on.
#[cfg(feature = "mutants")]
#[must_use]
pub fn defended(fault: u8) -> bool {
    #[expect(clippy::disallowed_methods, reason = "in builds for the mutants alone: it is no configuration")]
    static OFF: std::sync::LazyLock<Option<u8>> =
        std::sync::LazyLock::new(|| std::env::var(VARIABLE).ok()?.parse().ok());
    *OFF != Some(fault)
}
