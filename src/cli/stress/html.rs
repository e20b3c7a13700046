//! A stress as one page.

use eyre::{Result, WrapErr};

use super::super::replay::html::{Cells, marked, table};
use super::Printed;
use super::text::{COLUMNS, row, stands, told, verdict};
use crate::backtest::stress::trial::Trial;
use crate::domain::units::to_real;
use crate::report::stress::{Suffered, figure};
use crate::report::{escape, page};

/// # Errors
/// Its plot cannot be drawn.
pub(super) fn html(printed: &Printed) -> Result<String> {
    let class = if printed.holds { "good" } else { "bad" };
    let mut body = format!(
        "<p class=\"summary\"><strong class=\"{class}\">{}</strong> Nothing was sent; the vault is that of block {} of chain {}.</p>\n",
        escape(&verdict(printed)),
        printed.block,
        printed.chain_id
    );
    let stands: Vec<_> =
        stands(printed).into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let trials = printed.shocks.iter().chain(&printed.crashes);
    let plot = figure(&trials.map(suffered).collect::<Vec<_>>());
    body.push_str(&plot.wrap_err("the page cannot be drawn")?);
    body.push_str(&table("As it stands", Cells::Words, &["What", "Now"], &stands));
    for (title, trials) in [("Shocks", &printed.shocks), ("Crashes", &printed.crashes)] {
        let rows: Vec<_> = trials.iter().map(|trial| (trial.holds(), row(trial))).collect();
        let rows: Vec<(&str, &[String])> =
            rows.iter().map(|(holds, row)| (if *holds { "" } else { "bad" }, row.as_slice())).collect();
        body.push_str(&marked(title, Cells::Named, &COLUMNS, &rows));
        let rows: Vec<_> = trials.iter().map(told).collect();
        let title = format!("{title}: decisions and guards");
        body.push_str(&table(&title, Cells::Words, &["what happens", "the keeper, and the guards"], &rows));
    }
    for note in &printed.notes {
        body.push_str(&format!("<p class=\"note\">{}</p>\n", escape(note)));
    }
    Ok(page("Stress", &printed.vault.to_string(), &body))
}

fn suffered(trial: &Trial) -> Suffered {
    Suffered {
        name: trial.name.clone(),
        before: to_real(trial.before.cushion),
        after: to_real(trial.after.cushion),
        lowest: to_real(trial.lowest_cushion),
        end: to_real(trial.end.cushion),
    }
}
