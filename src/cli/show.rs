//! How decisions read in a table.

use super::output::Row;
use crate::domain::decision::{Appraisal, Decision, Swap, Trade, Verdict};
use crate::domain::options::{Book, Leg};
use crate::keeper::Dispatch;

/// Rows that say what was decided and on which numbers.
pub(super) fn decision_rows(decision: &Decision) -> Vec<Row> {
    let verdict = &decision.verdict;
    let mut rows = vec![("verdict", verdict.name().to_owned()), ("reason", verdict.reason().to_string())];
    if let Verdict::Rebalance { trade, .. } = &decision.verdict {
        rows.extend(trade_rows(trade));
    }
    rows.extend(decision.alerts().map(|alert| ("alert", alert.to_string())));
    if let Some(appraisal) = &decision.appraisal {
        rows.extend(appraisal_rows(appraisal));
        rows.extend(appraisal.options.iter().flat_map(option_rows));
    }
    rows
}

/// Rows of a decision and of what was done with it.
pub(super) fn cycle_rows(decision: &Decision, dispatch: &Dispatch) -> Vec<Row> {
    let mut rows = decision_rows(decision);
    rows.insert(2, ("done", dispatch_text(dispatch)));
    rows
}

/// What was done with a decision, in a line.
pub(super) fn dispatch_text(dispatch: &Dispatch) -> String {
    match dispatch {
        Dispatch::Nothing => "nothing".into(),
        Dispatch::InFlight { intent } => format!("nothing: intent {intent} is under way"),
        Dispatch::Withdrawn { intent, why } => format!("intent {intent} is cancelled: {why}"),
        Dispatch::DryRun { gas_limit } => format!("simulated with a gas limit of {gas_limit}, not sent"),
        Dispatch::Refused { code, message } => format!("refused before signing ({code}): {message}"),
        Dispatch::Failed { message, .. } => format!("failed before signing: {message}"),
        Dispatch::Sent { intent, held_up: None } => format!("sent as intent {intent}"),
        Dispatch::Sent { intent, held_up: Some(why) } => format!("sent as intent {intent}, held up: {why}"),
        Dispatch::Executed(done) => format!("executed in block {} ({})", done.block, done.transaction),
        Dispatch::Displaced(done) => {
            format!("not executed: {} took its nonce in block {}", done.transaction, done.block)
        }
        Dispatch::Reverted(done) => format!("reverted in block {} ({})", done.block, done.transaction),
    }
}

fn trade_rows(trade: &Trade) -> Vec<Row> {
    let side = if trade.sell_risky { "sell" } else { "buy" };
    let swap = |swap: &Swap| format!("{} to {}, at least {}", swap.amount_in, swap.pool, swap.min_amount_out);
    let swaps: Vec<_> = trade.swaps.iter().map(swap).collect();
    vec![
        ("trade", format!("{side} {} units for {}", trade.size, trade.value)),
        ("swaps (raw)", swaps.join("\n")),
        (
            "fee / impact / against the oracle",
            format!("{} / {} / {}", trade.fee, trade.impact, trade.slippage),
        ),
        ("benefit / cost (USD)", format!("{} / {}", rounded(trade.benefit.get()), rounded(trade.cost.get()))),
    ]
}

fn appraisal_rows(a: &Appraisal) -> Vec<Row> {
    vec![
        ("price", format!("{} (pool {})", a.price.get().round_dp(6), a.pool_price.get().round_dp(6))),
        ("net asset value", a.nav.get().round_dp(2).to_string()),
        ("floor", a.floor.get().round_dp(2).to_string()),
        (
            "cushion",
            format!(
                "{} after a reserve of {}",
                a.cushion.net.get().round_dp(2),
                a.cushion.reserve.get().round_dp(2)
            ),
        ),
        ("exposure", a.exposure.get().round_dp(2).to_string()),
        ("volatility", format!("{:.1} %", a.volatility.get() * 100.0)),
        ("held / target (units)", format!("{} / {}", a.held.get().round_dp(6), a.target.get().round_dp(6))),
        ("drift (units)", a.drift.get().round_dp(6).to_string()),
        (
            "band (units)",
            format!("back to {} at {}", rounded(a.economics.inner.get()), rounded(a.economics.outer.get())),
        ),
        ("gas (USD)", gas(a)),
    ]
}

/// The book as a whole, and where the volatility of each leg comes from.
fn option_rows(book: &Book) -> Vec<Row> {
    let legs: Vec<_> = book.legs.iter().map(leg_text).collect();
    vec![
        ("option book (USD)", format!("{:.2}", book.value.get())),
        ("its delta / target (units)", format!("{} / {}", rounded(book.delta.get()), book.target_delta)),
        ("gamma (units per USD)", format!("{:.6}", book.gamma.get())),
        (
            "vega per vol point / theta per day (USD)",
            format!("{:.2} / {:.2}", book.vega.get() / 100.0, book.theta.get() / 365.0),
        ),
        ("legs", legs.join("\n")),
    ]
}

fn leg_text(leg: &Leg) -> String {
    let worth = format!("{}: worth {:.2}", leg.id, leg.value.get());
    match &leg.open {
        None => format!("{worth}, expired"),
        Some(open) => format!(
            "{worth}, delta {}, {:.2} days at {:.1} % ({})",
            rounded(open.delta.get()),
            open.years.get() * 365.0,
            open.volatility.get() * 100.0,
            open.source.name(),
        ),
    }
}

/// What one trade costs to send, and what of it is for data.
fn gas(a: &Appraisal) -> String {
    let fixed = a.economics.fixed.get().round_dp(4);
    match a.economics.data_fee {
        None => fixed.to_string(),
        Some(data) => format!("{fixed}, of which data {}", data.get().round_dp(4)),
    }
}

fn rounded(value: f64) -> String {
    format!("{value:.4}")
}
