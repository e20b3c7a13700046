//! Statistics over paths: means and deviations with what sampling makes of them, and figures at equal risk.

/// Two-sided 95 % quantile of the standard normal distribution.
pub const NORMAL_95: f64 = 1.959_963_984_540_054;

/// Groups of paths that are left out in turn; each path belongs to one by its number.
pub const GROUPS: usize = 50;

/// A figure with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What risk is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Standard deviation over paths of the profit after costs.
    Profit,
    /// Root of the mean over paths of `Σ (y·ΔS)²`, `y` the drift from the target after each decision: the quadratic
    /// variation of what the vault earns beside its target. Its expectation is the variance of that difference where
    /// the price is a martingale, and it is known far better from as many paths.
    Tracking,
}

/// What one path brought, USD.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Fees, impact and gas.
    pub cost: f64,
    /// Of it gas.
    pub gas: f64,
    /// Profit after costs.
    pub profit: f64,
    /// `Σ (y·ΔS)²`, USD².
    pub variation: f64,
    /// Trades.
    pub trades: f64,
}

/// Sums over a group of paths.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums {
    count: f64,
    cost: f64,
    gas: f64,
    profit: f64,
    profit_squares: f64,
    variation: f64,
    trades: f64,
}

/// Sums of all paths, group by group.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    groups: Vec<Sums>,
}

impl Sums {
    fn add(&mut self, sample: &Sample) {
        self.count += 1.0;
        self.cost += sample.cost;
        self.gas += sample.gas;
        self.profit += sample.profit;
        self.profit_squares += sample.profit * sample.profit;
        self.variation += sample.variation;
        self.trades += sample.trades;
    }

    fn plus(self, other: &Self, sign: f64) -> Self {
        Self {
            count: self.count + sign * other.count,
            cost: self.cost + sign * other.cost,
            gas: self.gas + sign * other.gas,
            profit: self.profit + sign * other.profit,
            profit_squares: self.profit_squares + sign * other.profit_squares,
            variation: self.variation + sign * other.variation,
            trades: self.trades + sign * other.trades,
        }
    }

    /// Mean cost of a path, USD.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.cost / self.count
    }

    /// Mean gas of a path, USD.
    #[must_use]
    pub fn gas(&self) -> f64 {
        self.gas / self.count
    }

    /// Mean number of trades of a path.
    #[must_use]
    pub fn trades(&self) -> f64 {
        self.trades / self.count
    }

    /// Risk of a path by `measure`, USD.
    #[must_use]
    pub fn risk(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Profit => {
                let mean = self.profit / self.count;
                let squares = self.profit_squares - self.count * mean * mean;
                libm::sqrt((squares / (self.count - 1.0)).max(0.0))
            }
            Measure::Tracking => libm::sqrt(self.variation / self.count),
        }
    }
}

impl Ensemble {
    /// Sums the samples of all paths, in the order of their numbers.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let mut groups = vec![Sums::default(); GROUPS.min(samples.len())];
        for chunk in samples.chunks(GROUPS) {
            for (group, sample) in groups.iter_mut().zip(chunk) {
                group.add(sample);
            }
        }
        Self { groups }
    }

    /// Over all paths.
    #[must_use]
    pub fn all(&self) -> Sums {
        self.groups.iter().fold(Sums::default(), |sum, group| sum.plus(group, 1.0))
    }

    /// Over all paths but those of one group, for each group.
    fn without(&self) -> impl Iterator<Item = Sums> {
        let all = self.all();
        self.groups.iter().map(move |group| all.plus(group, -1.0))
    }
}

/// `figure` of several ensembles over the same paths, with the interval of the grouped jackknife (Quenouille 1956,
/// Tukey 1958): the groups are left out of all of them at once, so what the paths share cancels in differences and
/// ratios.
pub fn jackknife(ensembles: &[&Ensemble], figure: impl Fn(&[Sums]) -> f64) -> Estimate {
    let all: Vec<Sums> = ensembles.iter().map(|ensemble| ensemble.all()).collect();
    let value = figure(&all);
    let mut parts: Vec<_> = ensembles.iter().map(|ensemble| ensemble.without()).collect();
    let mut left_out = Vec::new();
    loop {
        let sums: Vec<Sums> = parts.iter_mut().filter_map(Iterator::next).collect();
        if sums.len() < ensembles.len() || sums.is_empty() {
            break;
        }
        left_out.push(figure(&sums));
    }
    let half = NORMAL_95 * jackknife_error(&left_out);
    Estimate { value, low: value - half, high: value + half }
}

/// `√((g − 1)/g·Σ (θᵢ − θ̄)²)` over the figures with one of `g` groups left out.
fn jackknife_error(left_out: &[f64]) -> f64 {
    let count = left_out.iter().fold(0.0, |count, _| count + 1.0);
    if count < 2.0 {
        return f64::INFINITY;
    }
    let mean = left_out.iter().sum::<f64>() / count;
    let squares: f64 = left_out.iter().map(|figure| (figure - mean) * (figure - mean)).sum();
    libm::sqrt((count - 1.0) / count * squares)
}

/// `y` at `x` on the line through two points in logarithms; of points at one `x` the mean.
#[must_use]
pub fn interpolate(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    let run = libm::log(x1 / x0);
    if run.abs() < 1e-9 {
        return 0.5 * (y0 + y1);
    }
    libm::exp(libm::log(y0) + libm::log(x / x0) / run * libm::log(y1 / y0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(profits: &[f64]) -> Vec<Sample> {
        let sample = |profit: &f64| Sample {
            profit: *profit,
            cost: 10.0 * profit,
            variation: profit * profit,
            ..Sample::default()
        };
        profits.iter().map(sample).collect()
    }

    #[test]
    fn mean_and_deviation_are_those_computed_by_hand() {
        let sums = Ensemble::of(&samples(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])).all();
        assert_eq!(sums.cost(), 50.0);
        // Squares about the mean 5: 32, over 7; squares: 232, over 8.
        assert!((sums.risk(Measure::Profit) - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert!((sums.risk(Measure::Tracking) - 29.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_mean_is_the_textbook_one() {
        // One path to a group: the jackknife of a mean is s/√n, here √(32/7/8)·10.
        let ensemble = Ensemble::of(&samples(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]));
        let mean = jackknife(&[&ensemble], |sums| sums[0].cost());
        let half = NORMAL_95 * 10.0 * (32.0_f64 / 56.0).sqrt();
        assert_eq!(mean.value, 50.0);
        assert!((mean.high - 50.0 - half).abs() < 1e-9 && (50.0 - mean.low - half).abs() < 1e-9);
    }

    #[test]
    fn what_the_paths_share_cancels_in_a_ratio() {
        let first = Ensemble::of(&samples(&[1.0, 2.0, 30.0, 4.0]));
        let second = Ensemble::of(&samples(&[2.0, 4.0, 60.0, 8.0]));
        let ratio = jackknife(&[&first, &second], |sums| sums[0].cost() / sums[1].cost());
        assert_eq!((ratio.value, ratio.low, ratio.high), (0.5, 0.5, 0.5));
    }

    #[test]
    fn groups_do_not_depend_on_how_many_paths_there_are() {
        let profits: Vec<f64> = (0..1_000).map(|i| f64::from(i % 17)).collect();
        let ensemble = Ensemble::of(&samples(&profits));
        assert_eq!(ensemble.groups.len(), GROUPS);
        assert!(ensemble.groups.iter().all(|group| group.count == 20.0));
        assert_eq!(Ensemble::of(&[]).all(), Sums::default());
        assert_eq!(jackknife(&[&Ensemble::of(&samples(&[1.0]))], |_| 1.0).high, f64::INFINITY);
    }

    #[test]
    fn a_power_law_is_interpolated_exactly() {
        let law = |x: f64| 7.0 * x.powf(-1.3);
        let between = interpolate(2.5, (2.0, law(2.0)), (3.0, law(3.0)));
        assert!((between - law(2.5)).abs() < 1e-12);
        assert_eq!(interpolate(2.0, (2.0, 3.0), (2.0, 5.0)), 4.0);
    }
}
