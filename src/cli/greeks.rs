//! `keeper greeks`: what options are worth and how that moves.

mod file;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use eyre::eyre;
use serde::Serialize;

use super::output::{Row, grid};
use super::{Context, Failure, Outcome};
use crate::domain::models::greeks::{self, Contract, OptionKind, Underlying};

const NOTES: &str = "\
Units: delta in units of the underlying (of the forward with --forward), gamma in units per USD. The table shows vega \
and vanna per percentage point of volatility, theta and charm per day; JSON has vega and vanna per 1.00 of volatility, \
theta and charm per year.

Examples:
  keeper greeks --kind call --spot 3000 --strike 3300 --years 0.25 --vol 0.8 --rate 0.04 --carry 0.03
  keeper greeks --kind put --forward 3050 --strike 2800 --years 0.0833 --vol 0.65 --json
  keeper greeks --csv options.csv";

/// Price and Greeks of European options, by Black–Scholes–Merton or, on a forward, Black 76.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Greeks {
    /// Call or put.
    #[arg(long, value_enum, required_unless_present = "csv")]
    kind: Option<Kind>,
    /// Price of the underlying, in USD.
    #[arg(long, value_name = "USD", allow_negative_numbers = true,
        required_unless_present_any = ["forward", "csv"], conflicts_with = "forward")]
    spot: Option<f64>,
    /// Forward price for the day of expiry, in USD, in place of spot and carry.
    #[arg(long, value_name = "USD", allow_negative_numbers = true)]
    forward: Option<f64>,
    /// Strike, in USD.
    #[arg(long, value_name = "USD", allow_negative_numbers = true, required_unless_present = "csv")]
    strike: Option<f64>,
    /// Years of 365 days to expiry; 0 is expired.
    #[arg(long, allow_negative_numbers = true, required_unless_present = "csv")]
    years: Option<f64>,
    /// Annualised volatility; 0.8 is 80 %.
    #[arg(long, allow_negative_numbers = true, required_unless_present = "csv")]
    vol: Option<f64>,
    /// Riskless rate per year, continuously compounded.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.0)]
    rate: f64,
    /// What holding the underlying earns per year, continuously compounded.
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.0, conflicts_with = "forward")]
    carry: f64,
    /// Options from a CSV file with the columns kind,spot,strike,years,vol,rate,carry, or forward in place of spot and
    /// carry; other columns are passed over.
    #[arg(long, value_name = "FILE",
        conflicts_with_all = ["kind", "spot", "forward", "strike", "years", "vol", "rate", "carry"])]
    csv: Option<PathBuf>,
}

/// [`OptionKind`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

/// What the command prints of an option.
#[derive(Serialize)]
struct Printed {
    kind: &'static str,
    /// USD.
    strike: f64,
    /// To expiry.
    years: f64,
    /// USD.
    price: f64,
    /// Units.
    delta: f64,
    /// Units per USD.
    gamma: f64,
    /// USD per 1.00 of volatility.
    vega: f64,
    /// USD per year.
    theta: f64,
    /// Units per 1.00 of volatility.
    vanna: f64,
    /// Units per year.
    charm: f64,
    #[serde(skip)]
    greeks: greeks::Greeks,
}

impl Greeks {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        if let Some(path) = &self.csv {
            let options = file::read(path).map_err(Failure::usage)?;
            let printed: Vec<Printed> = options.iter().map(|(option, greeks)| row(option, *greeks)).collect();
            context.output.show(&printed, |all| table(all))?;
        } else {
            let option = self.option().ok_or_else(|| Failure::usage(eyre!("an option is not complete")))?;
            let printed = row(&option, option.greeks().map_err(Failure::usage)?);
            context.output.print(&printed, rows)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The option that the arguments name; `None` only where one is missing that is required.
    fn option(&self) -> Option<Contract> {
        let kind = match self.kind? {
            Kind::Call => OptionKind::Call,
            Kind::Put => OptionKind::Put,
        };
        let underlying = match self.forward {
            Some(price) => Underlying::Forward { price },
            None => Underlying::Spot { price: self.spot?, carry: self.carry },
        };
        let (strike, years, volatility) = (self.strike?, self.years?, self.vol?);
        Some(Contract { kind, underlying, strike, years, volatility, rate: self.rate })
    }
}

fn row(option: &Contract, greeks: greeks::Greeks) -> Printed {
    let greeks::Greeks { price, delta, gamma, vega, theta, vanna, charm } = greeks;
    let kind = match option.kind {
        OptionKind::Call => "call",
        OptionKind::Put => "put",
    };
    let Contract { strike, years, .. } = *option;
    Printed { kind, strike, years, price, delta, gamma, vega, theta, vanna, charm, greeks }
}

fn rows(option: &Printed) -> Vec<Row> {
    HEADINGS.into_iter().zip(figures(option)).collect()
}

const HEADINGS: [&str; 7] = [
    "price (USD)",
    "delta (units)",
    "gamma (units/USD)",
    "vega (USD/vol point)",
    "theta (USD/day)",
    "vanna (units/vol point)",
    "charm (units/day)",
];

fn table(options: &[Printed]) -> String {
    let headings = [&["kind", "strike (USD)", "years"][..], &HEADINGS].concat();
    let cells = |option: &Printed| {
        let named = [option.kind.to_owned(), option.strike.to_string(), option.years.to_string()];
        named.into_iter().chain(figures(option)).collect()
    };
    grid(&headings, options.iter().map(cells).collect())
}

/// In the units of [`HEADINGS`].
fn figures(option: &Printed) -> [String; 7] {
    let of = &option.greeks;
    let (vega, theta) = (of.vega_per_point(), of.theta_per_day());
    let (vanna, charm) = (of.vanna_per_point(), of.charm_per_day());
    [of.price, of.delta, of.gamma, vega, theta, vanna, charm].map(figure)
}

/// Six decimals, or as many digits with an exponent where those would say too little or too much.
fn figure(value: f64) -> String {
    let plain = value == 0.0 || (1e-2..1e12).contains(&value.abs());
    if plain { format!("{value:.6}") } else { format!("{value:.6e}") }
}
