//! A decision in one paragraph that a person understands. All amounts are in units of the vault's asset.

use rust_decimal::Decimal;

use crate::domain::decision::{Appraisal, Decision, Trade, Verdict};
use crate::domain::reason::Reason;
use crate::domain::units::{Ratio, Units, Usd};

/// A part that is not worth words.
const SHOWN: f64 = 1e-6;

/// What is held, what is wanted, what it would cost, what it is worth, and why it is done or not.
pub(super) fn explain(decision: &Decision) -> String {
    let Some(appraisal) = &decision.appraisal else {
        return format!("No decision is possible, so nothing is traded: {}.", decision.verdict.reason());
    };
    let alerts = alerts(appraisal, &decision.verdict);
    let parts = [
        holds(appraisal),
        hedges(appraisal),
        wants(appraisal),
        pays(appraisal),
        concludes(&decision.verdict, appraisal),
        alerts,
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn holds(a: &Appraisal) -> String {
    let cash = a.nav.minus(a.exposure).unwrap_or_default();
    format!(
        "The vault holds {} units worth {} at a price of {}, and {} in cash: {} in all. That is {} above its floor of \
         {} once the exit is paid for ({}).",
        units(a.held),
        money(a.exposure),
        a.price.get().round_dp(2).normalize(),
        money(cash),
        money(a.nav),
        money(a.cushion.net),
        money(a.floor),
        money(a.cushion.reserve),
    )
}

/// The option book, the hedge, and what both are to make together; nothing where no book is hedged.
fn hedges(a: &Appraisal) -> String {
    let Some(book) = &a.options else { return String::new() };
    let (delta, held) = (book.delta.get(), a.held.real());
    let legs = match book.legs.len() {
        0 => "no legs".to_owned(),
        1 => "1 leg".to_owned(),
        count => format!("{count} legs"),
    };
    format!(
        "Its option book has {legs}, worth {:.2}: a delta of {delta:.4} units, a gamma of {:.6} units per USD, a vega of \
         {:.2} USD per vol point and a theta of {:.2} USD per day. With the {held:.4} units held its delta is {:.4}, \
         against a target of {}.",
        book.value.get(),
        book.gamma.get(),
        book.vega.get() / 100.0,
        book.theta.get() / 365.0,
        delta + held,
        units(book.target_delta),
    )
}

/// What people should hear besides the reason itself.
fn alerts(a: &Appraisal, verdict: &Verdict) -> String {
    let others = a.alerts().filter(|alert| alert != verdict.reason());
    others.map(|alert| format!("Mind that {alert}.")).collect::<Vec<_>>().join(" ")
}

fn wants(a: &Appraisal) -> String {
    let volatility = format!("a volatility of {:.1} %", 100.0 * a.volatility.get());
    let weight = a.price.value_of(a.target).and_then(|value| value.over(a.nav)).map(percent);
    let weight = weight.map_or_else(|_| String::new(), |weight| format!(", {weight} of all"));
    let drift = a.drift.abs();
    let off = if drift == Units::ZERO {
        "which is what it holds".to_owned()
    } else if a.target < Units::ZERO {
        format!("a short position, {} units below what it holds", units(drift))
    } else {
        let side = if a.drift > Units::ZERO { "too many" } else { "too few" };
        let worth = a.price.value_of(drift).map(money).unwrap_or_default();
        format!("so it holds {} units {side}, worth {worth}", units(drift))
    };
    format!("At {volatility} its strategy wants {} units{weight}, {off}.", units(a.target))
}

fn pays(a: &Appraisal) -> String {
    let (inner, outer) = (a.economics.inner, a.economics.outer);
    let data = a.economics.data_fee.map(|data| format!(", of which {} for its data", money(data)));
    let gas = format!("Gas for one trade costs {}{}", money(a.economics.fixed), data.unwrap_or_default());
    if outer.get() > 0.0 {
        format!("{gas}; trading pays from a drift of {outer} units on, and then goes back to {inner}.")
    } else {
        format!("{gas}; nothing makes it pay to wait, so any trade that brings more than it costs is made.")
    }
}

fn concludes(verdict: &Verdict, appraisal: &Appraisal) -> String {
    match verdict {
        Verdict::Hold { reason: Reason::WithinBand { .. } } => {
            "The drift is inside that band, so it holds: waiting is cheaper than trading.".into()
        }
        Verdict::Hold { reason } => format!("So it holds: {reason}."),
        Verdict::Refuse { reason } => format!("It wants to trade and does not: {reason}."),
        Verdict::Rebalance { reason, trade } => {
            format!("{}{} Why: {reason}.", trades(trade), leaves(trade, appraisal))
        }
    }
}

fn trades(trade: &Trade) -> String {
    let side = if trade.sell_risky { "sells" } else { "buys" };
    let cut =
        trade.cut_by.map_or_else(String::new, |limit| format!(" (cut by the limit `{}`)", limit.name()));
    let worth = if trade.mandatory {
        "It has to, whatever it costs:".to_owned()
    } else {
        format!("That is worth {} and costs", trade.benefit)
    };
    let cost = format!("{worth} {} with gas, fee and impact.", trade.cost);
    format!("So it {side} {} units for {}{cut}. {cost}", units(trade.size), money(trade.value))
}

/// What a trade leaves of the drift beyond the inner edge that it would go back to in one.
fn leaves(trade: &Trade, a: &Appraisal) -> String {
    let left = a.drift.abs().minus(trade.size).unwrap_or_default();
    let sliced = trade.cut_by.is_none() && !trade.mandatory;
    if sliced && left.real() > a.economics.inner.get() * (1.0 + SHOWN) {
        let left = units(left);
        format!(
            " {left} units of drift are left to later trades: smaller ones cost less for each unit, and each is decided anew."
        )
    } else {
        String::new()
    }
}

fn money(value: Usd) -> String {
    value.get().round_dp(2).normalize().to_string()
}

fn units(value: Units) -> String {
    value.get().round_dp(6).normalize().to_string()
}

fn percent(share: Ratio) -> String {
    let percent = share.get().checked_mul(Decimal::ONE_HUNDRED).unwrap_or_default();
    format!("{} %", percent.round_dp(1).normalize())
}
