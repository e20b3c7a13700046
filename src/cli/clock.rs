//! The wall clock, for people alone: how long ago something was. Nothing that is decided or sent reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 by this machine.
pub(super) fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "ages are shown to people; no decision reads them")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A span of seconds in its largest whole unit: `42 s`, `17 min`, `30 h`, `12 days`.
pub(super) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(2 * 86_400, "days"), (2 * 3_600, "h"), (2 * 60, "min")];
    let unit = UNITS.iter().find(|(least, _)| seconds >= *least);
    // Each unit begins at two of itself.
    unit.map_or_else(
        || format!("{seconds} s"),
        |(least, name)| format!("{} {name}", seconds.checked_div(least / 2).unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_whole_unit() {
        let told: Vec<String> = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(span).to_vec();
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
