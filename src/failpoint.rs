//! Moments between what is durable and what has left, at which a process can be made to end: to show that the next one
//! takes up what it finds.
//!
//! Only in a build with the feature `failpoints`, which is for tests alone and is refused without debug assertions: there
//! the environment variable [`VARIABLE`] names the moment, as `bump.after_commit`. In every other build it is no code at
//! all.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!(
    "the feature `failpoints` is for tests: no released program may end itself at a moment that is named to it"
);

/// The environment variable that names the moment to end at: the kind of the signed bytes, a dot, and the moment.
pub const VARIABLE: &str = "KEEPER_FAILPOINT";

/// A moment in the life of signed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// They are signed, and in no record.
    BeforeCommit,
    /// They are durable.
    AfterCommit,
    /// They are about to be handed out.
    BeforeBroadcast,
    /// An endpoint has them, and that is in no record.
    AfterBroadcast,
}

impl Moment {
    /// Its name in [`VARIABLE`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforeBroadcast => "before_broadcast",
            Self::AfterBroadcast => "after_broadcast",
        }
    }
}

/// Ends the process here and now, where it is told to for bytes of this kind.
#[cfg(not(feature = "failpoints"))]
pub const fn reached(_kind: &str, _moment: Moment) {}

/// Ends the process here and now, where it is told to for bytes of this kind.
#[cfg(feature = "failpoints")]
pub fn reached(kind: &str, moment: Moment) {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, which no configuration has")]
    let named = std::env::var(VARIABLE);
    if named.is_ok_and(|named| named == format!("{kind}.{}", moment.name())) {
        std::process::abort();
    }
}
