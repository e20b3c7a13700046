//! A field of a row, as a time or a number.

use rust_decimal::Decimal;

use super::columns::Column;
use super::fault::{Fault, repeated};
use crate::stage::path::time::{TimeError, unix_seconds};

/// Digits after the point that are kept.
const MOST_PLACES: i64 = 28;

/// What a file has in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text, without blanks around it, at least one character.
    Text(&'a str),
}

/// Why a text makes no number.
enum NumberError {
    Unknown,
    TooManyDigits,
}

impl<'a> Cell<'a> {
    /// Of a text file.
    pub(super) fn of_text(text: &'a str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text),
        }
    }

    /// Unix seconds.
    pub(super) fn time(self) -> Result<u64, Fault> {
        match self {
            Self::Empty => Err(Fault::Absent(Column::Time)),
            Self::Text(text) => unix_seconds(text).map_err(|error| untimely(error, text)),
        }
    }

    /// The number in this column, exactly and without trailing zeros.
    pub(super) fn number(self, column: Column) -> Result<Decimal, Fault> {
        match self {
            Self::Empty => Err(Fault::Absent(column)),
            Self::Text(text) => of_text(text).map_err(|error| error.in_column(column, text)),
        }
    }
}

fn untimely(error: TimeError, text: &str) -> Fault {
    match error {
        TimeError::Unknown => Fault::NoTime(repeated(text)),
        TimeError::Fraction => Fault::FractionOfSecond(repeated(text)),
    }
}

impl NumberError {
    fn in_column(&self, column: Column, text: &str) -> Fault {
        match self {
            Self::Unknown => Fault::NoNumber(column, repeated(text)),
            Self::TooManyDigits => Fault::TooManyDigits(column, repeated(text)),
        }
    }
}

/// `1234.5`, `-.5`, `+1e-3`: exactly, or not at all.
fn of_text(text: &str) -> Result<Decimal, NumberError> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i16>().map_err(|_| NumberError::Unknown)?),
        None => (text, 0),
    };
    if !is_plain(digits) {
        return Err(NumberError::Unknown);
    }
    let number = Decimal::from_str_exact(digits).map_err(|_| NumberError::TooManyDigits)?;
    moved(number.normalize(), exponent.into())
}

/// Whether it is digits with at most one sign before and one point among them: the library takes underlines too.
fn is_plain(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

/// `number` × 10 to the power of `exponent`.
fn moved(number: Decimal, exponent: i64) -> Result<Decimal, NumberError> {
    let places = i64::from(number.scale()).saturating_sub(exponent);
    if number.is_zero() || exponent == 0 {
        return Ok(number);
    }
    let moved = match u32::try_from(places) {
        Ok(places) if i64::from(places) <= MOST_PLACES => {
            Decimal::try_from_i128_with_scale(number.mantissa(), places).ok()
        }
        Ok(_) => None,
        Err(_) => u32::try_from(places.saturating_neg())
            .ok()
            .and_then(|zeros| 10_i128.checked_pow(zeros))
            .and_then(|power| number.mantissa().checked_mul(power))
            .and_then(|mantissa| Decimal::try_from_i128_with_scale(mantissa, 0).ok()),
    };
    moved.map(|number| number.normalize()).ok_or(NumberError::TooManyDigits)
}
