//! The end of a demo on a terminal: the contestants side by side.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::report::course::{Contestant, Course, Outcome};
use crate::report::number;

/// A figure of the table: its name, and how it reads.
type Figure = (&'static str, fn(&Outcome) -> String);

const FIGURES: [Figure; 8] = [
    ("NAV", |r| number(r.end, 0)),
    ("return %", |r| number(100.0 * (r.end / r.start - 1.0), 2)),
    ("floor", |r| number(r.floor, 0)),
    ("lowest cushion", |r| {
        format!("{}{}", number(r.lowest_cushion, 0), if r.floor_broken() { " (broken)" } else { "" })
    }),
    ("rebalances", |r| r.rebalances.to_string()),
    ("gas USD", |r| number(r.gas, 2)),
    ("NAV lost USD", |r| number(r.nav_lost, 2)),
    ("reverted", |r| r.reverted.to_string()),
];

/// The table and what one must know to read it.
pub(super) fn summary(course: &Course) -> String {
    let mut text = table(&course.contestants).to_string();
    text.push_str(
        "\nNAV lost: by the oracle's price, in fee, impact and\nslippage; negative where the pool paid more than it.",
    );
    if let Some(sampling) = course.sampling() {
        text.push('\n');
        text.push_str(&sampling);
    }
    text
}

/// A column for each contestant, as wide as the terminal at most.
fn table(contestants: &[Contestant]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([""].into_iter().chain(contestants.iter().map(|c| c.name.as_str())));
    for (name, figure) in FIGURES {
        let figures = contestants.iter().map(|contestant| figure(&contestant.result));
        table.add_row([name.to_owned()].into_iter().chain(figures));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contestant(name: &str, result: Outcome) -> Contestant {
        Contestant { name: name.to_owned(), points: Vec::new(), trades: Vec::new(), result }
    }

    const RESULT: Outcome = Outcome {
        start: 1_000_000.0,
        end: 812_345.67,
        floor: 800_000.0,
        lowest_cushion: -12_345.6,
        rebalances: 123,
        gas: 1_234.56,
        nav_lost: -98.76,
        reverted: 12,
    };

    fn course(results: [Outcome; 4]) -> Course {
        let names = ["keeper", "hold", "threshold 5 %", "daily"];
        Course {
            scenario: "crash".to_owned(),
            market: Vec::new(),
            sampled_from: None,
            contestants: names
                .into_iter()
                .zip(results)
                .map(|(name, result)| contestant(name, result))
                .collect(),
        }
    }

    #[test]
    fn the_table_fits_a_terminal_of_60_columns() {
        let course = course([RESULT; 4]);
        let mut table = table(&course.contestants);
        let shown = table.set_width(60).to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
        for part in ["keeper", "threshold", "812,346", "−18.77", "−12,346", "(broken)", "−98.76"] {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
    }

    #[test]
    fn a_vault_that_never_traded_has_zeros_and_no_number_that_is_none() {
        let untraded = Outcome {
            start: 0.0,
            end: 0.0,
            floor: 0.0,
            lowest_cushion: f64::INFINITY,
            rebalances: 0,
            gas: -0.0,
            nav_lost: -0.0,
            reverted: 0,
        };
        let shown = summary(&course([untraded; 4]));
        for wrong in ["-0", "−0", "NaN", "inf"] {
            assert!(!shown.contains(wrong), "{wrong} is in\n{shown}");
        }
        assert!(shown.contains("–") && shown.contains("0.00"), "{shown}");
    }

    #[test]
    fn it_says_what_a_loss_is_and_that_steps_were_left_out() {
        let whole = course([RESULT; 4]);
        assert!(summary(&whole).contains("negative where the pool paid more"));
        assert!(!summary(&whole).contains("sampled"));
        let sampled = Course { sampled_from: Some(43_200), ..whole };
        assert!(summary(&sampled).contains("sampled to 0 steps of 43200 rows"));
    }
}
