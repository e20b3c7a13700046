//! placeholder until h3 lands
use rust_decimal::Decimal;
/// bar
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// t
    pub opened: u64,
    /// o
    pub open: Decimal,
    /// h
    pub high: Decimal,
    /// l
    pub low: Decimal,
    /// c
    pub close: Decimal,
    /// v
    pub volume: Option<Decimal>,
}
