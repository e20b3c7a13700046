//! What a person sees while the demo runs: a progress bar and a line for each contestant, on standard error.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::contestant::{Contestant, Style};
use crate::domain::units::to_real;
use crate::stage::path::Tick;

/// Shows progress; draws nothing where standard error is no terminal.
#[derive(Debug)]
pub(super) struct Screen {
    all: MultiProgress,
    market: ProgressBar,
    lines: Vec<(Style, ProgressBar)>,
}

impl Screen {
    pub(super) fn new(steps: usize) -> Self {
        let all = MultiProgress::new();
        let length = u64::try_from(steps).unwrap_or(u64::MAX);
        let bar = ProgressStyle::with_template("{bar:40} {pos}/{len} steps, {eta} left  {msg}");
        let line = || {
            ProgressStyle::with_template("  {prefix:14} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let market = all.add(ProgressBar::new(length));
        market.set_style(bar.unwrap_or_else(|_| ProgressStyle::default_bar()));
        market.enable_steady_tick(Duration::from_millis(500));
        let lines = Style::ALL.map(|style| {
            let bar = all.add(ProgressBar::new_spinner()).with_style(line()).with_prefix(style.name());
            (style, bar)
        });
        Self { all, market, lines: lines.into() }
    }

    /// One line above the bars; to a pipe or a file too.
    pub(super) fn say(&self, text: &str) {
        if self.all.println(text).is_err() || self.market.is_hidden() {
            tracing::info!("{text}");
        }
    }

    pub(super) fn show(&self, tick: &Tick, contestants: &[Contestant]) {
        self.market.inc(1);
        let gwei = tick.base_fee.checked_div(1_000_000_000).unwrap_or_default();
        self.market.set_message(format!("ETH {:.2} USD, gas {gwei} gwei", to_real(tick.price)));
        for contestant in contestants {
            let line = self.lines.iter().find(|(style, _)| *style == contestant.style);
            if let (Some((_, line)), Some(point)) = (line, contestant.points.last()) {
                line.set_message(format!(
                    "NAV {:>12.0}  floor {:>12.0}  exposure {:>12.0}  trades {}",
                    point.nav,
                    point.floor,
                    point.exposure,
                    contestant.trades.len()
                ));
            }
        }
    }

    pub(super) fn finish(&self) {
        for (_, line) in &self.lines {
            line.finish();
        }
        self.market.finish();
    }
}
