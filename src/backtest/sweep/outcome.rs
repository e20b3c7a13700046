//! What came of a combination.

use serde::{Deserialize, Serialize};

use crate::backtest::past::metrics::Metrics;

/// What came of a combination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was walked to its end.
    Walked(Box<Metrics>),
    /// It could not be, and why.
    Failed(String),
}

/// A combination's number and what came of it.
pub type Done = (usize, Outcome);
