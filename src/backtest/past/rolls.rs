//! What became of the positions of an option book, in exact decimals.

use rust_decimal::Decimal;
use serde::Serialize;

use super::setting::options::OptionKind;

/// One position from its opening to its settlement; money in units of the asset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roll {
    /// Its number in the book.
    pub number: u64,
    /// Call or put.
    pub kind: OptionKind,
    /// Risky units; negative where the vault has written it.
    pub size: Decimal,
    /// Units of the asset per risky unit.
    pub strike: Decimal,
    /// Where the payoff stops growing; absent where nothing stops it but a price of 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Decimal>,
    /// Seconds since 1970.
    pub expiry: u64,
    /// What lies in the book for it: the most that the short side can owe.
    pub collateral: Decimal,
    /// How it was opened; absent of one that the vault stood with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
    /// How it ended; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

impl Roll {
    /// What it is: `written call`, `bought put`.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match (self.size.is_sign_negative(), self.kind) {
            (true, OptionKind::Call) => "written call",
            (true, OptionKind::Put) => "written put",
            (false, OptionKind::Call) => "bought call",
            (false, OptionKind::Put) => "bought put",
        }
    }

    /// Why it was undone, where it was.
    #[must_use]
    pub fn undone(&self) -> Option<Undone> {
        self.settled.and_then(|settled| settled.undone)
    }

    /// What the vault has laid into the book for it, its premium a part of it: all of the collateral where it has written it.
    #[must_use]
    pub fn posted(&self) -> Decimal {
        if self.size.is_sign_negative() { self.collateral } else { Decimal::ZERO }
    }
}

/// An opening.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Opened {
    /// Seconds since 1970.
    pub at: u64,
    /// Market's price.
    pub price: Decimal,
    /// Annualised volatility of its premium, at the strike.
    pub volatility: f64,
    /// What the vault received for it; below 0 what it paid.
    pub premium: Decimal,
}

/// A settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Seconds since 1970.
    pub at: u64,
    /// The feed's answer at the expiry; 0 of one that was undone.
    pub price: Decimal,
    /// What the vault received for it beyond its collateral; below 0 what it owed.
    pub payoff: Decimal,
    /// Why no answer settled it, so that each side got back what it had paid; absent of one that was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
}

/// Why no answer of the feed settled a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// The last one up to the expiry was older than is believed.
    StaleAnswer,
    /// A week after the expiry there was none after it, which alone shows that another one is the last up to it.
    NoAnswer,
}

impl Undone {
    /// In files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::StaleAnswer => "stale_answer",
            Self::NoAnswer => "no_answer",
        }
    }

    /// For people.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::StaleAnswer => {
                "the feed's last answer up to the expiry was older than options.max_age_seconds"
            }
            Self::NoAnswer => "the feed did not answer for a week after the expiry",
        }
    }
}
