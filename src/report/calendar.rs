//! Block times as dates and clock times, UTC.

use crate::stage::path::time::date;

const DAY: u64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2020-03-12 06:05`, of seconds since 1970.
pub(super) fn minute(time: u64) -> String {
    let (year, month, day) = date(time);
    format!("{year:04}-{month:02}-{day:02} {}", clock(time))
}

/// `06:05`, and `12 Mar` at midnight, of seconds since 1970.
pub(super) fn tick(time: u64) -> String {
    if !time.is_multiple_of(DAY) {
        return clock(time);
    }
    let (_, month, day) = date(time);
    let name = usize::try_from(month.saturating_sub(1)).ok().and_then(|month| MONTHS.get(month));
    format!("{day} {}", name.unwrap_or(&""))
}

fn clock(time: u64) -> String {
    format!("{:02}:{:02}", time / 3_600 % 24, time / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_have_their_date() {
        assert_eq!(minute(4_107_542_399), "2100-02-28 23:59");
        assert_eq!(minute(4_107_542_400), "2100-03-01 00:00");
        assert_eq!(minute(1_735_689_599), "2024-12-31 23:59");
    }

    #[test]
    fn midnight_is_marked_by_its_date() {
        assert_eq!(tick(1_583_992_800), "06:00");
        assert_eq!(tick(1_584_057_600), "13 Mar");
    }
}
