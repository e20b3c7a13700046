//! Block times as dates and clock times, UTC.

const DAY: u64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2020-03-12 06:05`, of seconds since 1970.
pub(super) fn minute(time: u64) -> String {
    let (year, month, day) = date(time);
    format!("{year:04}-{month:02}-{day:02} {}", clock(time))
}

/// `2020-03-12 06:05:00`, of seconds since 1970.
pub(crate) fn second(time: u64) -> String {
    format!("{}:{:02}", minute(time), time % 60)
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

/// Year, month and day in the Gregorian calendar (Hinnant, *chrono-Compatible Low-Level Date Algorithms*, 2013,
/// `civil_from_days`). Years there begin in March, so that the leap day is the last.
fn date(time: u64) -> (u64, u64, u64) {
    // From 1 March of the year 0.
    let days = (time / DAY).saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let year =
        day.saturating_sub(day / 1_460).saturating_add(day / 36_524).saturating_sub(day / 146_096) / 365;
    let before = year.saturating_mul(365).saturating_add(year / 4).saturating_sub(year / 100);
    let day_of_year = day.saturating_sub(before);
    let from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let day_of_month = day_of_year.saturating_sub(from_march.saturating_mul(153).saturating_add(2) / 5);
    let (month, next) =
        if from_march < 10 { (from_march.saturating_add(3), 0) } else { (from_march.saturating_sub(9), 1) };
    let year = year.saturating_add(era.saturating_mul(400)).saturating_add(next);
    (year, month, day_of_month.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_gregorian_calendar() {
        assert_eq!(second(0), "1970-01-01 00:00:00");
        assert_eq!(second(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(second(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(second(951_868_800), "2000-03-01 00:00:00");
        assert_eq!(second(1_583_992_861), "2020-03-12 06:01:01");
        assert_eq!(minute(4_107_542_399), "2100-02-28 23:59");
        assert_eq!(minute(4_107_542_400), "2100-03-01 00:00");
        assert_eq!(minute(1_735_689_599), "2024-12-31 23:59");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let lengths = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let mut expected = (1970, 1, 1);
        for day in 0..146_097 {
            assert_eq!(date(day * DAY), expected);
            let (year, month, day) = expected;
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, last) if last == lengths(year)[usize::try_from(month - 1).unwrap()] => {
                    (year, month + 1, 1)
                }
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn midnight_is_marked_by_its_date() {
        assert_eq!(tick(1_583_992_800), "06:00");
        assert_eq!(tick(1_584_057_600), "13 Mar");
    }

    #[test]
    fn the_last_second_has_a_date() {
        assert_eq!(second(u64::MAX), "584554051223-11-09 07:00:15");
    }
}
