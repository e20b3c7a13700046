//! One policy at many parameters in many worlds: every combination of a grid is walked through the past, on all processors, and
//! kept as soon as it is done.
//!
//! A [`grid::Grid`] says what is varied, [`plan::Plan`] makes every combination of it before anything runs, [`run::run`] walks
//! those that are not done yet to their [`outcome::Outcome`], [`kept::Kept`] is the file of those that are, and [`pareto::front`]
//! finds which of them are worth having.

pub mod grid;
pub mod kept;
pub mod origin;
pub mod outcome;
pub mod pareto;
pub mod plan;
pub mod run;
