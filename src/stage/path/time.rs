//! Times as files write them, to unix seconds and back.

use thiserror::Error;

const DAY: u64 = 86_400;
/// Counts below this are unix seconds, up to the year 5138; as milliseconds it is March 1973.
const MOST_SECONDS: u64 = 100_000_000_000;

/// Why a text is no time in unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// It is written in no way that is known, or is before 1970.
    #[error("is no time since 1970")]
    Unknown,
    /// It lies between two seconds.
    #[error("is not at a whole second")]
    Fraction,
}

/// Parses unix time in whole seconds, milliseconds, microseconds or nanoseconds, told apart by its size ([`of_count`]),
/// or a date of the Gregorian calendar with or without a clock time: `2021-05-19`, `2021-05-19 13:05`,
/// `2021-05-19T13:05:00.000Z`, `2021-05-19 15:05:00+02:00`. UTC where no offset is stated.
///
/// # Errors
/// Anything else, times before 1970, and times between two seconds.
pub fn unix_seconds(text: &str) -> Result<u64, TimeError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) {
        return calendar(text);
    }
    if !is_digits(fraction) {
        return Err(TimeError::Unknown);
    }
    let seconds = of_count(whole.parse().map_err(|_| TimeError::Unknown)?)?;
    if is_zeros(fraction) { Ok(seconds) } else { Err(TimeError::Fraction) }
}

/// Unix seconds of a count of seconds below 10¹¹, of milliseconds below 10¹⁴, of microseconds below 10¹⁷, and of
/// nanoseconds from there on.
///
/// # Errors
/// The time lies between two seconds.
pub fn of_count(count: u64) -> Result<u64, TimeError> {
    let mut per_second = 1_u64;
    let mut most = MOST_SECONDS;
    while count >= most && per_second < 1_000_000_000 {
        per_second = per_second.saturating_mul(1_000);
        most = most.saturating_mul(1_000);
    }
    of_units(count, per_second)
}

/// Unix seconds of a `count` of which there are so many `per_second`.
///
/// # Errors
/// The time lies between two seconds.
pub fn of_units(count: u64, per_second: u64) -> Result<u64, TimeError> {
    let seconds = count.checked_div(per_second).ok_or(TimeError::Unknown)?;
    if count.is_multiple_of(per_second) { Ok(seconds) } else { Err(TimeError::Fraction) }
}

/// `2020-03-12 06:05:00`, of seconds since 1970, in UTC.
#[must_use]
pub fn utc(time: u64) -> String {
    let (year, month, day) = date(time);
    let (hour, minute, second) = (time / 3_600 % 24, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day in the Gregorian calendar, of seconds since 1970 (Hinnant, *chrono-Compatible Low-Level Date
/// Algorithms*, 2013, `civil_from_days`). Years there begin in March, so that the leap day is the last.
#[must_use]
pub fn date(time: u64) -> (u64, u64, u64) {
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

/// A date with or without a clock time.
fn calendar(text: &str) -> Result<u64, TimeError> {
    let (date, rest) = text.split_at_checked(10).ok_or(TimeError::Unknown)?;
    let midnight = midnight(date).ok_or(TimeError::Unknown)?;
    if rest.is_empty() {
        return Ok(midnight);
    }
    let (clock, zone) =
        rest.split_at(rest.rfind([' ', 'Z', 'z', '+', '-']).filter(|at| *at > 0).unwrap_or(rest.len()));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let local = since_midnight(clock).and_then(|clock| midnight.checked_add(clock));
    let seconds = local.and_then(|local| local.checked_add_signed(ahead(zone)?.checked_neg()?));
    let seconds = seconds.filter(|_| is_digits(fraction)).ok_or(TimeError::Unknown)?;
    if is_zeros(fraction) { Ok(seconds) } else { Err(TimeError::Fraction) }
}

/// Unix seconds of `2021-05-19` as it begins.
fn midnight(date: &str) -> Option<u64> {
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    days_since_1970(year, month, day)?.checked_mul(DAY)
}

/// Seconds since midnight of ` 13:05` or `T13:05:00`.
fn since_midnight(clock: &str) -> Option<u64> {
    let clock = clock.strip_prefix([' ', 'T', 't'])?;
    let (hour, minute, second) = if clock.len() == 5 {
        let [hour, minute] = numbers(clock, ':', [2, 2])?;
        (hour, minute, 0)
    } else {
        numbers(clock, ':', [2, 2, 2])?.into()
    };
    (hour <= 23 && minute <= 59 && second <= 59).then_some(())?;
    hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)
}

/// Seconds by which a clock is ahead of UTC: `+02:00`, `+0200`, `+02`, `Z`, ` UTC`, or nothing, which is UTC.
fn ahead(zone: &str) -> Option<i64> {
    if ["", "Z", "z", " UTC"].contains(&zone) {
        return Some(0);
    }
    let (sign, offset) = zone.split_at_checked(1)?;
    let [hours, minutes] = match offset.len() {
        2 => numbers(offset, ':', [2]).map(|[hours]| [hours, 0])?,
        4 => numbers(offset, ':', [4]).map(|[both]| [both / 100, both % 100])?,
        _ => numbers(offset, ':', [2, 2])?,
    };
    (hours <= 23 && minutes <= 59).then_some(())?;
    let seconds = i64::try_from(hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?).ok()?;
    match sign {
        "+" => Some(seconds),
        "-" => seconds.checked_neg(),
        _ => None,
    }
}

/// Numbers of exactly so many digits each, with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && is_digits(part))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zeros(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
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
    fn dates_are_utc_unless_they_say_otherwise() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("2021-05-19 13:05:00+00:00", 1_621_429_500),
            ("2021-05-19 13:05:00.000 UTC", 1_621_429_500),
            ("2021-05-19T13:05:00.000000000", 1_621_429_500),
            ("2021-05-19t13:05z", 1_621_429_500),
            ("2021-05-19 13:05", 1_621_429_500),
            ("2021-05-19T15:05:00+02:00", 1_621_429_500),
            ("2021-05-19 18:35:00+0530", 1_621_429_500),
            ("2021-05-18T23:05:00.0-14", 1_621_429_500),
            ("2021-05-19", 1_621_382_400),
            ("2024-02-29T23:59:59Z", 1_709_251_199),
            ("2000-03-01 00:00:00", 951_868_800),
        ] {
            assert_eq!(unix_seconds(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn unix_time_is_told_apart_by_its_size() {
        for text in ["1621429500", "1621429500.0", "1621429500000", "1621429500000000", "1621429500000000000"]
        {
            assert_eq!(unix_seconds(text), Ok(1_621_429_500), "{text}");
        }
        assert_eq!(unix_seconds("0"), Ok(0));
        assert_eq!(unix_seconds("99999999999"), Ok(99_999_999_999));
        assert_eq!(unix_seconds("100000000000"), Ok(100_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2021-02-29 00:00:00",
            "2021-13-01 00:00:00",
            "2021-01-01 24:00:00",
            "2021-01-01 00:00:60",
            "2021-01-01 00:00:00+24:00",
            "2021-01-01 00:00:00 CET",
            "2021-01-01 00",
            "2021-01-01 00:00:00.",
            "2021-1-1",
            "2021-01-01x",
            "01/02/2021",
            "1969-12-31",
            "1970-01-01T00:00:00+01:00",
            "-5",
            "+5",
            "99999999999999999999",
            "2021-01-0é",
        ] {
            assert_eq!(unix_seconds(text), Err(TimeError::Unknown), "{text}");
        }
    }

    #[test]
    fn a_time_between_two_seconds_is_not_rounded() {
        for text in ["1621429500.5", "1621429500001", "2021-05-19T13:05:00.001Z"] {
            assert_eq!(unix_seconds(text), Err(TimeError::Fraction), "{text}");
        }
    }

    #[test]
    fn dates_are_those_of_the_gregorian_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc(951_868_800), "2000-03-01 00:00:00");
        assert_eq!(utc(1_583_992_861), "2020-03-12 06:01:01");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before_and_is_read_back() {
        let lengths = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let mut expected = (1970, 1, 1);
        for day in 0..146_097 {
            assert_eq!(date(day * DAY), expected);
            assert_eq!(unix_seconds(&utc(day * DAY)), Ok(day * DAY));
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
    fn the_last_second_has_a_date() {
        assert_eq!(utc(u64::MAX), "584554051223-11-09 07:00:15");
    }
}
