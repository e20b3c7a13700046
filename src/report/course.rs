//! What happened in a demo or a backtest: the market, and each contestant's course through it. Plain numbers for tables and plots.

use serde::Serialize;

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Course {
    /// Name of the market that was driven through.
    pub scenario: String,
    /// The market, step by step.
    pub market: Vec<MarketPoint>,
    /// Rows of the file that the steps were sampled from; absent where no row was left out.
    pub sampled_from: Option<usize>,
    /// The keeper first, then those it is compared with.
    pub contestants: Vec<Contestant>,
}

/// The market at one step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MarketPoint {
    /// Block time, seconds since 1970.
    pub time: u64,
    /// USD per risky unit.
    pub price: f64,
    /// Gwei per gas.
    pub base_fee_gwei: f64,
}

/// One vault and who kept it.
#[derive(Debug, Clone, Serialize)]
pub struct Contestant {
    /// Who: `keeper` or `policy`, `hold`, `threshold 5 %`, `daily`.
    pub name: String,
    /// The vault, step by step.
    pub points: Vec<VaultPoint>,
    /// What it traded.
    pub trades: Vec<Trade>,
    /// How it went.
    pub result: Outcome,
}

/// A vault at one step, in USD.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct VaultPoint {
    /// Block time, seconds since 1970.
    pub time: u64,
    /// Net asset value at the market's price.
    pub nav: f64,
    /// Floor of all shares.
    pub floor: f64,
    /// Exposure to the risky asset.
    pub exposure: f64,
    /// Exposure that the strategy aims at, where it was appraised.
    pub target: Option<f64>,
    /// Drift at which a trade pays, either side of the target, where there is a band.
    pub band: Option<f64>,
    /// What there is to know of it in a backtest alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past: Option<PastPoint>,
}

/// What a backtest knows of a vault at one step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PastPoint {
    /// How far value per share is below its peak, as a part of it.
    pub drawdown: f64,
    /// Gas so far, USD.
    pub gas: f64,
    /// Fees of pools so far, USD.
    pub fees: f64,
    /// What depth and lag of pools took so far, USD.
    pub impact: f64,
}

/// One executed trade.
#[derive(Debug, Clone, Serialize)]
pub struct Trade {
    /// Block time, seconds since 1970.
    pub time: u64,
    /// USD per risky unit at that step.
    pub price: f64,
    /// Whether risky was sold.
    pub sell: bool,
    /// Value traded, USD.
    pub value: f64,
    /// Code of the reason (`worth`, `floor_at_risk`, …).
    pub reason: String,
    /// Gas, USD.
    pub gas: f64,
    /// Net asset value lost in the trade by the oracle's price, or the market's in a backtest: fee, impact and slippage, USD.
    /// Negative where the pool paid more than that.
    pub nav_lost: f64,
}

/// How a contestant came through, USD.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Outcome {
    /// First net asset value.
    pub start: f64,
    /// Last net asset value.
    pub end: f64,
    /// Last floor.
    pub floor: f64,
    /// Lowest net asset value over the floor on the way.
    pub lowest_cushion: f64,
    /// Executed trades.
    pub rebalances: usize,
    /// Gas paid by the keeper's key.
    pub gas: f64,
    /// Net asset value lost in all trades, as in [`Trade::nav_lost`].
    pub nav_lost: f64,
    /// Transactions that reverted.
    pub reverted: usize,
}

impl Course {
    /// Begin and end of the crash: the highest price before the lowest, and the lowest, as places among the steps.
    #[must_use]
    pub fn crash(&self) -> Option<(usize, usize)> {
        let places = || self.market.iter().map(|point| point.price).enumerate();
        let (end, _) = places().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let (begin, _) = places().take(end.saturating_add(1)).max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((begin, end))
    }

    /// That steps were left out and what is not known for it, where that is so.
    #[must_use]
    pub fn sampling(&self) -> Option<String> {
        let (steps, rows) = (self.market.len(), self.sampled_from?);
        Some(format!(
            "The market was sampled to {steps} steps of {rows} rows: what happened between two steps is not seen, so \
             the lowest cushion is that of the steps alone."
        ))
    }
}

impl Outcome {
    /// Whether net asset value was below the floor at any step.
    #[must_use]
    pub fn floor_broken(&self) -> bool {
        self.lowest_cushion < 0.0
    }
}
