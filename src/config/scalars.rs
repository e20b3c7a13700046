//! How single values are read from a document.

use std::path::PathBuf;

use alloy::primitives::Address;
use rust_decimal::Decimal;
use toml::de::DeValue;

use super::document::{At, Form, Read};
use crate::domain::units::{Price, Ratio, Units, Usd};

macro_rules! whole_number {
    ($type:ident, $expected:literal) => {
        impl Read for $type {
            const EXPECTED: &'static str = $expected;
            fn read(at: &At<'_>) -> Self {
                let number = at.pick(Self::EXPECTED, |value| match value {
                    DeValue::Integer(number) => Some(Self::from_str_radix(number.as_str(), number.radix())),
                    DeValue::String(digits) if at.form() == Form::Canonical && is_canonical(digits) => {
                        Some(digits.parse())
                    }
                    _ => None,
                });
                if let Some(Err(_)) = number {
                    at.mistake(format!("is out of range; expected {}", Self::EXPECTED));
                }
                number.and_then(Result::ok).unwrap_or_default()
            }
        }
    };
}

/// Whether `digits` are a whole number as the canonical form writes it.
fn is_canonical(digits: &str) -> bool {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (digits == "0" || !digits.starts_with('0'))
}

whole_number!(u16, "a whole number from 0 to 65535");
whole_number!(u32, "a whole number from 0 to 4294967295");
whole_number!(u64, "a whole number from 0 to 18446744073709551615");
whole_number!(u128, "a whole number of at least 0");

macro_rules! decimal {
    ($type:ident) => {
        impl Read for $type {
            const EXPECTED: &'static str = "a decimal number in quotes, such as \"0.05\"";
            fn read(at: &At<'_>) -> Self {
                at.parsed(Self::EXPECTED, |text| text.parse().ok()).unwrap_or_default()
            }
        }
    };
}

decimal!(Decimal);
decimal!(Usd);
decimal!(Price);
decimal!(Ratio);
decimal!(Units);

impl Read for String {
    const EXPECTED: &'static str = "text in quotes";

    fn read(at: &At<'_>) -> Self {
        at.text(Self::EXPECTED).unwrap_or_default().to_owned()
    }
}

impl Read for PathBuf {
    const EXPECTED: &'static str = "a path in quotes";

    fn read(at: &At<'_>) -> Self {
        at.parsed(Self::EXPECTED, |text| (!text.is_empty()).then(|| text.into())).unwrap_or_default()
    }
}

impl Read for Address {
    const EXPECTED: &'static str =
        "an address in quotes: 0x and 40 hexadecimal digits, with a right checksum if in mixed case";

    fn read(at: &At<'_>) -> Self {
        at.parsed(Self::EXPECTED, address).unwrap_or_default()
    }
}

/// Mixed case carries a checksum (EIP-55), which catches a mistyped digit.
fn address(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x")?;
    let mixed = digits.contains(|c: char| c.is_ascii_uppercase())
        && digits.contains(|c: char| c.is_ascii_lowercase());
    if mixed { Address::parse_checksummed(text, None).ok() } else { text.parse().ok() }
}

impl<T: Read> Read for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(at: &At<'_>) -> Self {
        at.value().map(|_| T::read(at))
    }

    fn absent(_: &At<'_>) -> Self {
        None
    }
}

impl<T: Read> Read for Box<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(at: &At<'_>) -> Self {
        Self::new(T::read(at))
    }
}

impl<T: Read> Read for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn read(at: &At<'_>) -> Self {
        at.elements().iter().map(T::read).collect()
    }
}
