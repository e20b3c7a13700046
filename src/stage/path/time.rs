//! Times as files write them, to unix seconds.

/// Parses `2021-05-19 13:05:00+00:00`, the same with `T` or `Z`, without an offset (then UTC), or plain unix
/// seconds. `None` for anything else, for an offset other than zero, and for times before 1970.
#[must_use]
pub fn unix_seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let text = text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let (date, clock) = text.split_once([' ', 'T'])?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    days.checked_mul(86_400)?
        .checked_add(hour.checked_mul(3_600)?)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text.split(separator).map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

/// Days since 1970-01-01 in the Gregorian calendar, counting leap days of whole years before.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day < 1 || day > *lengths.get(before)? {
        return None;
    }
    let leaps = |year: u64| {
        Some(year.checked_div(4)?.checked_sub(year.checked_div(100)?)?.checked_add(year.checked_div(400)?))
    };
    let past = year.checked_sub(1)?;
    let leap_days = leaps(past)??.checked_sub(leaps(1969)??)?;
    let months: u64 = lengths.get(..before)?.iter().sum();
    year.checked_sub(1970)?
        .checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(months)?
        .checked_add(day.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_price_files_are_utc() {
        assert_eq!(unix_seconds("1970-01-01 00:00:00"), Some(0));
        assert_eq!(unix_seconds("2021-05-19 13:05:00+00:00"), Some(1_621_429_500));
        assert_eq!(unix_seconds("2024-02-29T23:59:59Z"), Some(1_709_251_199));
        assert_eq!(unix_seconds("2000-03-01 00:00:00"), Some(951_868_800));
        assert_eq!(unix_seconds("1438214400"), Some(1_438_214_400));
    }

    #[test]
    fn what_is_no_time_in_utc_is_refused() {
        for text in [
            "",
            "2021-02-29 00:00:00",
            "2021-13-01 00:00:00",
            "2021-01-01 24:00:00",
            "2021-01-01 00:00:00+02:00",
            "-5",
        ] {
            assert_eq!(unix_seconds(text), None, "{text}");
        }
    }
}
