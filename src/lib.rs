//! A rebalancing vault keeper for EVM chains whose every decision is a pure function of one block and one
//! published policy.
//!
//! The modules stand in the order in which the data flows: facts are read at one block, decided on without any
//! I/O, acted on, recorded.

pub mod config;
pub mod defence;
pub mod failpoint;

pub mod chain;
pub mod protocols;
pub mod reader;

pub mod domain;

pub mod execution;
pub mod journal;
pub mod signers;

pub mod keeper;

pub mod calibration;
pub mod replay;

pub mod stage;

pub mod backtest;
pub mod demo;
pub mod report;

pub mod cli;
