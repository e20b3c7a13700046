//! Who came through how, and what the keeper traded.

use std::fmt::Write as _;

use super::{
    Subject,
    course::{Contestant, Trade},
    text::{change, count, escape, percent, usd},
};
use crate::stage::path::time::utc;

/// What a column of that name holds.
fn nav_lost(subject: &Subject) -> String {
    let price = subject.price;
    format!(
        "NAV lost is what the trades took from net asset value by {price}: fee, price impact and slippage; negative where \
         the pool paid more than {price}."
    )
}

/// The contestants side by side.
pub(super) fn comparison(contestants: &[Contestant], subject: &Subject) -> String {
    let columns = [
        "Vault kept by",
        "NAV at end, USD",
        "Return",
        "Floor, USD",
        "Lowest cushion, USD",
        "Rebalances",
        "Gas, USD",
        "NAV lost, USD",
        "Reverted",
    ];
    let mut out = opened("Comparison", &nav_lost(subject), &columns, 0);
    for (place, contestant) in contestants.iter().enumerate() {
        let result = &contestant.result;
        let class = if place == 0 { " class=\"first\"" } else { "" };
        let cushion = if result.floor_broken() { " class=\"bad\"" } else { "" };
        let _infallible = writeln!(
            out,
            "<tr{class}><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td{cushion}>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&contestant.name),
            usd(result.end),
            percent(change(result.start, result.end)),
            usd(result.floor),
            usd(result.lowest_cushion),
            result.rebalances,
            usd(result.gas),
            usd(result.nav_lost),
            result.reverted,
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

/// What the keeper traded, in the order of time, the first `most` of it.
pub(super) fn rebalances(keeper: Option<&Contestant>, subject: &Subject, most: usize) -> String {
    let all = keeper.map_or(&[][..], |keeper| &keeper.trades);
    let trades = all.get(..most).unwrap_or(all);
    let columns = ["Time, UTC", "Side", "Reason", "Value, USD", "Price, USD", "Gas, USD", "NAV lost, USD"];
    if trades.is_empty() {
        return "<section><h2>Rebalances</h2><p class=\"note\">None.</p></section>\n".to_owned();
    }
    let mut note =
        format!("{}, with the reason of each. {}", count(all.len(), "rebalance"), nav_lost(subject));
    if trades.len() < all.len() {
        let _infallible = write!(note, " The first {most} are listed.");
    }
    let mut out = opened("Rebalances", &note, &columns, 3);
    for trade in trades {
        row(&mut out, trade);
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn row(out: &mut String, trade: &Trade) {
    let (class, side) = if trade.sell { ("sell", "▼ sell") } else { ("buy", "▲ buy") };
    let _infallible = writeln!(
        out,
        "<tr><td>{}</td><td class=\"left\" style=\"color:var(--{class})\">{side}</td>\
         <td class=\"left\"><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        utc(trade.time),
        escape(&trade.reason),
        usd(trade.value),
        usd(trade.price),
        usd(trade.gas),
        usd(trade.nav_lost),
    );
}

/// A section up to the body of its table, of whose columns the first `words` hold words.
pub(super) fn opened(title: &str, note: &str, columns: &[&str], words: usize) -> String {
    let mut out = format!("<section><h2>{title}</h2>");
    if !note.is_empty() {
        let _infallible = write!(out, "<p class=\"note\">{note}</p>");
    }
    let _infallible = write!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><thead><tr>"
    );
    for (place, column) in columns.iter().enumerate() {
        let class = if place < words { " class=\"left\"" } else { "" };
        let _infallible = write!(out, "<th scope=\"col\"{class}>{column}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    out
}
