//! A setting from the text of its file, with every mistake in it at once.

use std::path::Path;

use rust_decimal::Decimal;
use toml::de::DeValue;

use super::options::{OptionKind, Options, Position, Side, Size, max_age, window};
use super::{Absent, Arbitrage, Concentrated, Feed, Flow, Gas, Keeper, Outage, Pools, Setting};
use crate::config::Mistake;
use crate::config::document::{At, Document, Read};
use crate::config::shapes::{table, words};
use crate::stage::path::time::unix_seconds;

/// Reads the setting in `text`; `file` names it in mistakes.
///
/// # Errors
/// All mistakes, in the order of the text.
pub(super) fn read(file: &Path, text: &str) -> Result<Setting, Vec<Mistake>> {
    let mut document = Document::<Setting>::read(file, text)?;
    document.note(document.value().violations());
    document.finish()
}

table!(Setting defaults { pools, feed, keeper, gas, outages, flows, options });
table!(Pools defaults { fee_pips, depth, concentrated, arbitrage_seconds, arbitrage });
table!(Concentrated { within_bps, beyond });
table!(Feed defaults { heartbeat_seconds, deviation_bps });
table!(Keeper defaults { inclusion_seconds });
table!(Gas defaults { base_fee_wei, native_usd });
words!(Arbitrage { "within_fee" => WithinFee, "exact" => Exact });
table!(Options {
    tenor_days, window_seconds = window(), volatility, spread = Decimal::ZERO, max_age_seconds = max_age(), positions,
});
table!(Position { kind, side, strike, delta, limit, size });
words!(OptionKind { "call" => Call, "put" => Put });
words!(Side { "written" => Written, "bought" => Bought });
words!(Absent { "keeper" => Keeper, "feed" => Feed });

/// Seconds since 1970.
struct Moment(u64);

impl Read for Moment {
    const EXPECTED: &'static str = "a time in UTC, such as 2021-05-19 12:00:00 or Unix seconds";

    fn read(at: &At<'_>) -> Self {
        let text = at.pick(Self::EXPECTED, |value| match value {
            DeValue::Integer(seconds) => Some(
                u64::from_str_radix(seconds.as_str(), seconds.radix())
                    .map_or_else(|_| seconds.as_str().to_owned(), |seconds| seconds.to_string()),
            ),
            DeValue::Datetime(date) => Some(date.to_string()),
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        });
        let seconds = text.and_then(|text| {
            let read = unix_seconds(&text);
            read.map_err(|error| at.mistake(format!("{error}; expected {}", Self::EXPECTED))).ok()
        });
        Self(seconds.unwrap_or_default())
    }
}

impl Read for Size {
    const EXPECTED: &'static str = "a table with one of `nav`, `held` and `units`";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["nav", "held", "units"]);
        let [nav, held, units] = ["nav", "held", "units"].map(|key| table.field_or(key, || None));
        match (nav, held, units) {
            (Some(nav), None, None) => Self::Nav(nav),
            (None, Some(held), None) => Self::Held(held),
            (None, None, Some(units)) => Self::Units(units),
            (_, _, _) => {
                table.wrong("expected one of `nav`, `held` and `units`");
                Self::Nav(Decimal::ONE)
            }
        }
    }
}

impl Read for Outage {
    const EXPECTED: &'static str = "a table";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["of", "from", "to"]);
        let [from, to] = ["from", "to"].map(|key| table.field::<Moment>(key).0);
        Self { of: table.field("of"), from, to }
    }
}

impl Read for Flow {
    const EXPECTED: &'static str = "a table";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["at", "amount"]);
        let Moment(moment) = table.field("at");
        Self { at: moment, amount: table.field("amount") }
    }
}
