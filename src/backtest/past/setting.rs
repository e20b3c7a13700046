//! What a backtest takes for granted of the world beside the prices: pools, feeds, gas, the keeper's reach, who comes and goes, and
//! which options its book holds.

pub mod options;

mod reading;

use std::path::Path;

use eyre::{Result, ensure};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use crate::backtest::BacktestError;
use crate::config::{ConfigError, read_file};
use crate::domain::policy::Violation;
use crate::stage::path::time::unix_seconds;
use options::Options;

/// Most that comes or goes at once, units of the asset.
const MOST_FLOW: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// The world of a backtest. Everything has a default; a file in TOML says what is otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Setting {
    /// The pools that the policy trades with, all alike.
    pub pools: Pools,
    /// The feed of the risky asset.
    pub feed: Feed,
    /// The keeper and its way onto the chain.
    pub keeper: Keeper,
    /// What gas costs where no gas file is given.
    pub gas: Gas,
    /// When nobody was there.
    pub outages: Vec<Outage>,
    /// Deposits and withdrawals.
    pub flows: Vec<Flow>,
    /// What the option book holds that the policy hedges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
}

/// Every pool of the policy.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pools {
    /// Fee of a Uniswap v3 pool, hundredths of a basis point; that of a v2 pair is fixed.
    pub fee_pips: u32,
    /// Units of the asset that move the price at the beginning by 1 %, the fee left out, in one pool.
    #[serde_as(as = "DisplayFromStr")]
    pub depth: Decimal,
    /// Of a v3 pool: liquidity that does not reach over the whole range of prices. Absent: constant product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concentrated: Option<Concentrated>,
    /// Seconds after which the pool's price follows that of the market, up to the fee, which nobody pays for less.
    pub arbitrage_seconds: u64,
    /// How close arbitrage comes.
    pub arbitrage: Arbitrage,
}

/// How close arbitrage brings a pool to the market.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arbitrage {
    /// To within its fee, beyond which it does not pay.
    #[default]
    WithinFee,
    /// To the price itself, as where pools of lower fees stand beside it.
    Exact,
}

/// Liquidity around the price, which follows it when it has come half way to an edge.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concentrated {
    /// Distance of the edges from the centre, basis points.
    pub within_bps: u32,
    /// Liquidity beyond the edges over that within.
    #[serde_as(as = "DisplayFromStr")]
    pub beyond: Decimal,
}

/// A feed: it reports when its price has moved, or when it has been silent for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// Most seconds between two rounds.
    pub heartbeat_seconds: u64,
    /// Distance of the market from the last round at which it reports, basis points.
    pub deviation_bps: u32,
}

/// The keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keeper {
    /// Seconds from a decision to the block that holds its transaction.
    pub inclusion_seconds: u64,
}

/// Gas.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gas {
    /// Base fee where no gas file is given, wei per gas.
    pub base_fee_wei: u64,
    /// Price of the native coin in USD where the policy has a feed of its own for it.
    #[serde_as(as = "DisplayFromStr")]
    pub native_usd: Decimal,
}

/// A time in which somebody was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Who.
    pub of: Absent,
    /// First second, since 1970; in a file also a date and time in UTC.
    #[serde(deserialize_with = "moment")]
    pub from: u64,
    /// First second after it.
    #[serde(deserialize_with = "moment")]
    pub to: u64,
}

/// Who can be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// The keeper decides nothing; what it has sent is included all the same.
    Keeper,
    /// The feed of the risky asset reports nothing.
    Feed,
}

/// A deposit, or a withdrawal where negative.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Second since 1970 from which on it is asked for; in a file also a date and time in UTC.
    #[serde(deserialize_with = "moment")]
    pub at: u64,
    /// Units of the asset.
    #[serde_as(as = "DisplayFromStr")]
    pub amount: Decimal,
}

impl Default for Pools {
    /// 0.05 %, and two million for 1 %: the pool of USDC and WETH in early 2024 took several times that.
    fn default() -> Self {
        Self {
            fee_pips: 500,
            depth: Decimal::from(2_000_000),
            concentrated: None,
            arbitrage_seconds: 12,
            arbitrage: Arbitrage::default(),
        }
    }
}

impl Default for Feed {
    /// ETH/USD of Chainlink on Ethereum.
    fn default() -> Self {
        Self { heartbeat_seconds: 3_600, deviation_bps: 50 }
    }
}

impl Default for Keeper {
    /// The next block.
    fn default() -> Self {
        Self { inclusion_seconds: 12 }
    }
}

impl Default for Gas {
    fn default() -> Self {
        Self { base_fee_wei: 20_000_000_000, native_usd: Decimal::from(2_000) }
    }
}

impl Setting {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read; or all that is wrong in it, with lines: it is no TOML, has a key that means nothing, or a value out of its
    /// range.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            read_file(path, "name a file of the world beside the prices; docs/backtest.md has its keys")?;
        Ok(reading::read(path, &text)?)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// Names all that are not.
    pub fn check(&self) -> Result<()> {
        let broken = self.violations();
        let broken: Vec<String> =
            broken.iter().map(|broken| format!("{}: {}", broken.path, broken.message)).collect();
        ensure!(broken.is_empty(), "{}", broken.join("; "));
        Ok(())
    }

    /// Every value that is out of its range.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let Self { pools, feed, gas, outages, flows, options, keeper: _ } = self;
        let mut rules = vec![
            (pools.fee_pips <= 100_000, "pools.fee_pips", "expected at most 100000, which is 10 %"),
            (pools.depth > Decimal::ZERO, "pools.depth", "expected an amount above 0"),
            (feed.heartbeat_seconds > 0, "feed.heartbeat_seconds", "expected at least 1"),
            (feed.deviation_bps <= 10_000, "feed.deviation_bps", "expected at most 10000"),
            (gas.native_usd > Decimal::ZERO, "gas.native_usd", "expected a price above 0"),
        ];
        if let Some(Concentrated { within_bps, beyond }) = pools.concentrated {
            let key = "pools.concentrated.within_bps";
            rules.push(((50..=9_000).contains(&within_bps), key, "expected 50 to 9000"));
            let fits = beyond > Decimal::ZERO && beyond <= Decimal::ONE;
            let key = "pools.concentrated.beyond";
            rules.push((fits, key, "expected a share above 0 and at most 1"));
        }
        let rules = rules.into_iter().filter(|(kept, ..)| !kept);
        let rules = rules.map(|(_, key, message)| Violation::new(key, message));
        let outages = (0_usize..).zip(outages).filter(|(_, outage)| outage.from >= outage.to);
        let outages = outages.map(|(number, _)| {
            let against = Some(format!("outages[{number}].from"));
            let message = "expected an end after its beginning".to_owned();
            Violation { path: format!("outages[{number}].to"), against, message }
        });
        let fits = |flow: &Flow| !flow.amount.is_zero() && flow.amount.abs() <= MOST_FLOW;
        let flows = (0_usize..).zip(flows).filter(|(_, flow)| !fits(flow));
        let flows = flows.map(|(number, _)| {
            let message = "expected an amount other than 0, of at most 1000000000 either way";
            Violation::new(format!("flows[{number}].amount"), message)
        });
        let options = options.iter().flat_map(Options::violations);
        rules.chain(outages).chain(flows).chain(options).collect()
    }

    /// Whether a vault that is made up can begin at the `first` tick, seconds since 1970: its feed has to answer there.
    ///
    /// # Errors
    /// [`BacktestError::Priceless`] with the outage that the feed has there.
    pub fn opens_at(&self, first: u64) -> std::result::Result<(), BacktestError> {
        let absent = |outage: &Outage| outage.of == Absent::Feed && outage.has(first);
        match (0_usize..).zip(&self.outages).find(|(_, outage)| absent(outage)) {
            Some((number, outage)) => Err(BacktestError::Priceless { number, outage: *outage, first }),
            None => Ok(()),
        }
    }

    /// Whether somebody is there at `time`, seconds since 1970.
    #[must_use]
    pub fn is_there(&self, who: Absent, time: u64) -> bool {
        !self.outages.iter().any(|outage| outage.of == who && outage.has(time))
    }
}

impl Outage {
    fn has(&self, time: u64) -> bool {
        (self.from..self.to).contains(&time)
    }
}

/// Seconds since 1970, or a date and time in UTC, in quotes or as TOML has it.
fn moment<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a time in UTC, such as 2021-05-19 12:00:00 or Unix seconds")]
    enum Moment {
        Seconds(u64),
        Date(toml::value::Datetime),
        Text(String),
    }
    let text = match Moment::deserialize(deserializer)? {
        Moment::Seconds(seconds) => return Ok(seconds),
        Moment::Date(date) => date.to_string(),
        Moment::Text(text) => text,
    };
    unix_seconds(&text).map_err(|error| serde::de::Error::custom(format!("`{text}` {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Setting, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Setting::read(file.path())
    }

    #[test]
    fn a_file_says_what_is_otherwise() {
        assert_eq!(read("").unwrap(), Setting::default());
        let setting = read(
            "[pools]\ndepth = \"500000\"\n[[outages]]\nof = \"keeper\"\nfrom = \"2021-05-19 12:00:00\"\nto = 1621432800\n\
             [[flows]]\nat = 1621425600\namount = \"-1000.5\"",
        )
        .unwrap();
        assert_eq!(setting.pools, Pools { depth: Decimal::from(500_000), ..Pools::default() });
        assert_eq!(setting.outages, [Outage { of: Absent::Keeper, from: 1_621_425_600, to: 1_621_432_800 }]);
        assert_eq!(setting.flows, [Flow { at: 1_621_425_600, amount: Decimal::new(-10_005, 1) }]);
        for text in ["2021-05-19T12:00:00Z", "2021-05-19 12:00:00", "\"2021-05-19T12:00:00Z\"", "1621425600"]
        {
            let flow = read(&format!("[[flows]]\nat = {text}\namount = \"1\"")).unwrap().flows[0];
            assert_eq!(flow.at, 1_621_425_600, "{text}");
        }
        for (time, there) in [(1_621_425_599, true), (1_621_425_600, false), (1_621_432_800, true)] {
            assert_eq!(setting.is_there(Absent::Keeper, time), there, "{time}");
            assert!(setting.is_there(Absent::Feed, time));
        }
    }

    #[test]
    fn everything_that_cannot_be_is_told_at_once_with_its_line() {
        let text = "[pools]\ndeep = 1\ndepth = \"0\"\narbitrage = \"fast\"\n[feed]\nheartbeat_seconds = 0\n[gas]\n\
                    native_usd = 5\n[pools.concentrated]\nwithin_bps = 10\n[[outages]]\nof = \"feed\"\nfrom = 5\nto = 5\n\
                    [[outages]]\nof = \"feed\"\nto = 5\n[[flows]]\nat = \"noon\"\namount = \"0\"\n[[flows]]\nat = true\n\
                    amount = \"-1000000000.1\"\n";
        let Err(ConfigError::Mistakes(mistakes)) = read(text) else { panic!("it was read") };
        let told: Vec<_> = mistakes
            .0
            .iter()
            .map(|mistake| (mistake.line, mistake.key.as_str(), mistake.message.as_str()))
            .collect();
        let time = "a time in UTC, such as 2021-05-19 12:00:00 or Unix seconds";
        assert_eq!(
            told,
            [
                (
                    2,
                    "pools.deep",
                    "unknown key; expected one of `fee_pips`, `depth`, `concentrated`, `arbitrage_seconds`, `arbitrage`"
                ),
                (3, "pools.depth", "expected an amount above 0"),
                (4, "pools.arbitrage", "is not valid; expected \"within_fee\" or \"exact\""),
                (6, "feed.heartbeat_seconds", "expected at least 1"),
                (
                    8,
                    "gas.native_usd",
                    "is a whole number; expected a decimal number in quotes, such as \"0.05\""
                ),
                (
                    9,
                    "pools.concentrated.beyond",
                    "missing; expected a decimal number in quotes, such as \"0.05\""
                ),
                (10, "pools.concentrated.within_bps", "expected 50 to 9000"),
                (14, "outages[0].to", "expected an end after its beginning"),
                (15, "outages[1].from", format!("missing; expected {time}").as_str()),
                (19, "flows[0].at", format!("is no time since 1970; expected {time}").as_str()),
                (20, "flows[0].amount", "expected an amount other than 0, of at most 1000000000 either way"),
                (22, "flows[1].at", format!("is true or false; expected {time}").as_str()),
                (23, "flows[1].amount", "expected an amount other than 0, of at most 1000000000 either way"),
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_there_and_one_that_is_no_toml_are_told_apart() {
        let missing = Setting::read(Path::new("nowhere.toml")).unwrap_err().to_string();
        assert!(missing.starts_with("there is no file nowhere.toml: name a file of the world"), "{missing}");
        let broken = read("[pools\ndepth = \"1\"").unwrap_err().to_string();
        assert!(broken.contains(":1:7: not TOML: "), "{broken}");
    }
}
