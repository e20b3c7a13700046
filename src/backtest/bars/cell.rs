//! A field of a row, as a time or a number.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::columns::Column;
use super::fault::{Fault, repeated};
use crate::stage::path::time::{TimeError, of_count, of_units, unix_seconds};

/// What a file has in a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text, without blanks around it, at least one character.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i128),
    /// A whole number over 10 to the power of `places`.
    Scaled { mantissa: i128, places: i32 },
    /// A float of single precision.
    Single(f32),
    /// A float of double precision.
    Double(f64),
    /// A time since 1970, so many units per second.
    Instant { count: i64, per_second: u64 },
}

/// Why a text makes no number.
enum NumberError {
    Unknown,
    TooManyDigits,
}

impl<'a> Cell<'a> {
    /// Of a text.
    pub(super) fn of_text(text: &'a str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text.into()),
        }
    }

    /// Unix seconds.
    pub(super) fn time(&self) -> Result<u64, Fault> {
        let known = match self {
            Self::Empty => return Err(Fault::Absent(Column::Time)),
            Self::Text(text) => unix_seconds(text),
            Self::Integer(count) => u64::try_from(*count).map_err(|_| TimeError::Unknown).and_then(of_count),
            Self::Instant { count, per_second } => u64::try_from(*count)
                .map_err(|_| TimeError::Unknown)
                .and_then(|count| of_units(count, *per_second)),
            Self::Scaled { .. } | Self::Single(_) | Self::Double(_) => unix_seconds(&self.shown()),
        };
        known.map_err(|error| untimely(error, &self.shown()))
    }

    /// The number in this column, exactly and without trailing zeros. A float is the shortest decimal that reads back as
    /// it.
    pub(super) fn number(&self, column: Column) -> Result<Decimal, Fault> {
        let known = match self {
            Self::Empty => return Err(Fault::Absent(column)),
            Self::Text(text) => of_text(text),
            Self::Integer(number) => scaled(*number, 0),
            Self::Scaled { mantissa, places } => scaled(*mantissa, i64::from(*places)),
            Self::Single(_) | Self::Double(_) => of_text(&self.shown()),
            Self::Instant { .. } => Err(NumberError::Unknown),
        };
        known.map_err(|error| error.in_column(column, &self.shown()))
    }

    /// As a text would have it.
    fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => "".into(),
            Self::Text(text) => (&**text).into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Scaled { mantissa, places } => scaled(*mantissa, i64::from(*places))
                .map_or_else(|_| format!("{mantissa}e-{places}"), |number| number.to_string())
                .into(),
            Self::Single(number) => number.to_string().into(),
            Self::Double(number) => number.to_string().into(),
            Self::Instant { count, per_second } => format!("{count} / {per_second} s").into(),
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
    scaled(number.mantissa(), i64::from(number.scale()).saturating_sub(exponent.into()))
}

/// Whether it is digits with at most one sign before and one point among them: the library takes underlines too.
fn is_plain(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

/// `mantissa` over 10 to the power of `places`, without trailing zeros.
fn scaled(mut mantissa: i128, mut places: i64) -> Result<Decimal, NumberError> {
    if mantissa == 0 {
        return Ok(Decimal::ZERO);
    }
    while places > 0 && mantissa % 10 == 0 {
        (mantissa, places) = (mantissa / 10, places.saturating_sub(1));
    }
    let zeros = u32::try_from(places.saturating_neg()).unwrap_or(0);
    let whole = 10_i128.checked_pow(zeros).and_then(|power| mantissa.checked_mul(power));
    let places = u32::try_from(places).unwrap_or(0);
    whole
        .and_then(|whole| Decimal::try_from_i128_with_scale(whole, places).ok())
        .ok_or(NumberError::TooManyDigits)
}
