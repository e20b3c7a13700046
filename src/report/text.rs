//! Numbers and names as the page writes them.

use std::fmt::Write as _;

/// What stands for a number that is not finite.
const NONE: &str = "–";

/// Text that may stand between tags and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No other control character is allowed in a document.
            other if other.is_control() && !other.is_whitespace() => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
    out
}

/// A number with its thousands set apart by commas.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut out = String::new();
    if value < 0.0 && digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        out.push('−');
    }
    apart(whole, &mut out);
    if decimals > 0 {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Writes whole digits with their thousands set apart.
fn apart(whole: &str, out: &mut String) {
    for (left, digit) in (1..=whole.len()).rev().zip(whole.chars()) {
        out.push(digit);
        if left > 1 && left % 3 == 1 {
            out.push(',');
        }
    }
}

/// USD to the cent; what is less than a cent and not nothing says so.
pub(super) fn usd(value: f64) -> String {
    if value == 0.0 || value.abs() >= 0.005 || value.is_nan() {
        number(value, 2)
    } else if value > 0.0 {
        "&lt;0.01".to_owned()
    } else {
        "−&lt;0.01".to_owned()
    }
}

/// A fraction in percent, with its sign.
pub(super) fn percent(fraction: f64) -> String {
    let digits = number(fraction * 100.0, 2);
    let sign = if fraction > 0.0 && digits != "0.00" && digits != NONE { "+" } else { "" };
    if digits == NONE { digits } else { format!("{sign}{digits}&#160;%") }
}

/// From one value to another, as a fraction of the first; not a number where the first is zero.
pub(super) fn change(from: f64, to: f64) -> f64 {
    if from == 0.0 { f64::NAN } else { to / from - 1.0 }
}

/// So many of a thing.
pub(super) fn count(number: usize, thing: &str) -> String {
    let mut out = String::new();
    apart(&number.to_string(), &mut out);
    let plural = if number == 1 { "" } else { "s" };
    let _infallible = write!(out, " {thing}{plural}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart_and_no_negative_zero() {
        assert_eq!(number(0.0, 0), "0");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(1_000.0, 0), "1,000");
        assert_eq!(number(-1_234_567.891, 2), "−1,234,567.89");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(f64::NAN, 2), "–");
        assert_eq!(number(f64::INFINITY, 2), "–");
    }

    #[test]
    fn less_than_a_cent_is_neither_nothing_nor_a_cent() {
        assert_eq!(usd(0.0), "0.00");
        assert_eq!(usd(0.000_4), "&lt;0.01");
        assert_eq!(usd(-0.000_4), "−&lt;0.01");
        assert_eq!(usd(0.005), "0.01");
        assert_eq!(usd(f64::NAN), "–");
    }

    #[test]
    fn percents_have_signs_and_a_change_from_nothing_has_no_number() {
        assert_eq!(percent(0.123_45), "+12.35&#160;%");
        assert_eq!(percent(-0.5), "−50.00&#160;%");
        assert_eq!(percent(0.000_001), "0.00&#160;%");
        assert_eq!(percent(change(0.0, 5.0)), "–");
        assert!((change(8.0, 6.0) + 0.25).abs() < 1e-12);
    }

    #[test]
    fn markup_and_control_characters_are_escaped() {
        assert_eq!(escape("<b a='1' c=\"2\">&\u{1}"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{FFFD}");
    }

    #[test]
    fn one_thing_is_singular_and_thousands_of_it_are_set_apart() {
        assert_eq!(count(1, "rebalance"), "1 rebalance");
        assert_eq!(count(0, "rebalance"), "0 rebalances");
        assert_eq!(count(1_234_567, "decision"), "1,234,567 decisions");
    }
}
