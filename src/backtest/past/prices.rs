//! A way through bars: the prices at which something is decided, and those between them.

use std::cmp::Ordering;
use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::backtest::bars::Bar;
use crate::domain::units::power_of_ten;

/// A price and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Seconds since 1970.
    pub time: u64,
    /// USD per unit.
    pub price: Decimal,
    /// Whether it is the last one of its bar.
    pub closes: bool,
    /// Whether the price stays until the next tick and jumps there; otherwise it goes straight.
    pub jumps: bool,
}

/// In which order the prices of a bar are taken to have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Order {
    /// Open, low, high, close: what falls falls first, and is bought back dearer.
    #[default]
    Olhc,
    /// Open, high, low, close.
    Ohlc,
    /// The close alone.
    Close,
}

impl Order {
    /// The prices of a bar of `step` seconds, in their order: a third of the bar apart, and the last one at its end, a second
    /// before the next bar opens. What comes between two bars is a jump.
    pub fn ticks(self, bar: &Bar, step: u64) -> impl Iterator<Item = Tick> {
        let end = step.saturating_sub(1);
        let third = move |thirds: u64| end.saturating_mul(thirds) / 3;
        let prices = match self {
            Self::Olhc => [bar.open, bar.low, bar.high, bar.close],
            Self::Ohlc => [bar.open, bar.high, bar.low, bar.close],
            Self::Close => [bar.close; 4],
        };
        let skipped = if self == Self::Close { 3 } else { 0 };
        let opened = bar.opened;
        let ticks = prices.into_iter().zip(0_u64..).skip(skipped);
        ticks.map(move |(price, number)| Tick {
            time: opened.saturating_add(third(number)),
            price,
            closes: number == 3,
            // Of closes alone nobody knows where the next bar opened.
            jumps: number == 3 && self != Self::Close,
        })
    }
}

/// All ticks of bars of `step` seconds; where a step has not four seconds, of its close alone.
pub fn ticks(bars: &[Bar], step: u64, order: Order) -> impl Iterator<Item = Tick> {
    let order = if step < 4 { Order::Close } else { order };
    bars.iter().flat_map(move |bar| order.ticks(bar, step))
}

/// The last of the way that the price came, so that there is one at any time in it: it goes straight from one tick to the next of
/// its bar, and jumps to the first of the next bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// At least one.
    ticks: VecDeque<Tick>,
    /// Seconds that it is known for.
    reach: u64,
}

impl Way {
    /// At a first tick; what is up to `reach` seconds old is asked for.
    #[must_use]
    pub fn at(tick: Tick, reach: u64) -> Self {
        Self { ticks: VecDeque::from([tick]), reach }
    }

    /// Goes on to the next tick.
    pub fn go(&mut self, tick: Tick) {
        let needed = tick.time.saturating_sub(self.reach);
        while self.ticks.get(1).is_some_and(|second| second.time <= needed) {
            self.ticks.pop_front();
        }
        self.ticks.push_back(tick);
    }

    /// The price at a time since the ticks that are known; before and after them that of the first and the last one.
    #[must_use]
    pub fn price(&self, time: u64) -> Decimal {
        let mut later: Option<&Tick> = None;
        for tick in self.ticks.iter().rev() {
            if tick.time <= time {
                return later.map_or(tick.price, |later| between(tick, later, time));
            }
            later = Some(tick);
        }
        later.map_or(Decimal::ZERO, |first| first.price)
    }
}

fn between(from: &Tick, to: &Tick, time: u64) -> Decimal {
    if from.jumps {
        return from.price;
    }
    let (passed, whole) = (time.saturating_sub(from.time), to.time.saturating_sub(from.time));
    if let Some(price) = between_whole((from.price, to.price), (passed, whole)) {
        return price;
    }
    let part = Decimal::from(passed).checked_div(Decimal::from(whole));
    let moved = to.price.checked_sub(from.price).zip(part).and_then(|(way, part)| way.checked_mul(part));
    let price = moved.and_then(|moved| from.price.checked_add(moved));
    price.map_or(from.price, |price| price.round_dp(PLACES))
}

/// [`between`] of prices that have no more than [`PLACES`] places, in whole numbers.
fn between_whole((from, to): (Decimal, Decimal), (passed, whole): (u64, u64)) -> Option<Decimal> {
    let raw = |price: Decimal| {
        let missing = PLACES.checked_sub(price.scale())?;
        price.mantissa().checked_mul(i128::try_from(power_of_ten(missing)?).ok()?)
    };
    let (from, whole) = (raw(from)?, i128::from(whole));
    let way = raw(to)?.checked_sub(from)?.checked_mul(passed.into())?;
    let moved = way.checked_div_euclid(whole)?;
    let rest = way.checked_sub(moved.checked_mul(whole)?)?;
    let price = from.checked_add(moved)?;
    // Half to even, as decimals are rounded.
    let up = match rest.checked_mul(2)?.cmp(&whole) {
        Ordering::Greater => true,
        Ordering::Equal => price.checked_rem(2)? != 0,
        Ordering::Less => false,
    };
    Decimal::try_from_i128_with_scale(price.checked_add(up.into())?, PLACES).ok()
}

/// Decimal places of a price between two ticks.
const PLACES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(opened: u64, prices: [i64; 4]) -> Bar {
        let [open, high, low, close] = prices.map(Decimal::from);
        Bar { opened, open, high, low, close, volume: None }
    }

    #[test]
    fn between_bars_the_price_jumps_but_from_close_to_close_it_goes_straight() {
        let bars = [bar(0, [100, 120, 80, 90]), bar(60, [70, 75, 65, 72])];
        for (order, halfway) in [(Order::Olhc, 90), (Order::Close, 81)] {
            let walked: Vec<_> = ticks(&bars, 60, order).collect();
            let mut way = Way::at(walked[0], 60);
            walked.iter().skip(1).for_each(|tick| way.go(*tick));
            // Half of the way from the first close, at 59 seconds, to the second.
            assert_eq!(
                way.price(if order == Order::Close { 89 } else { 59 }),
                Decimal::from(halfway),
                "{order:?}"
            );
        }
    }

    #[test]
    fn a_bar_is_walked_in_its_order_and_the_next_one_begins_with_a_jump() {
        let bars = [bar(0, [100, 120, 80, 90]), bar(60, [70, 75, 65, 72])];
        let walked = |order| {
            let ticks = ticks(&bars, 60, order);
            ticks.map(|tick| (tick.time, tick.price.to_string(), tick.closes)).collect::<Vec<_>>()
        };
        let tick = |time, price: &str, closes| (time, price.to_owned(), closes);
        assert_eq!(
            walked(Order::Olhc),
            [
                tick(0, "100", false),
                tick(19, "80", false),
                tick(39, "120", false),
                tick(59, "90", true),
                tick(60, "70", false),
                tick(79, "65", false),
                tick(99, "75", false),
                tick(119, "72", true),
            ]
        );
        assert_eq!(walked(Order::Ohlc)[1..3], [tick(19, "120", false), tick(39, "80", false)]);
        assert_eq!(walked(Order::Close), [tick(59, "90", true), tick(119, "72", true)]);
    }

    #[test]
    fn between_two_ticks_of_a_bar_the_price_goes_straight_and_between_two_bars_it_jumps() {
        let bars = [bar(0, [100, 120, 80, 90]), bar(60, [70, 75, 65, 72])];
        let ticks: Vec<_> = ticks(&bars, 60, Order::Olhc).collect();
        let mut way = Way::at(ticks[0], 30);
        assert_eq!(way.price(12), Decimal::from(100));
        way.go(ticks[1]);
        assert_eq!(way.price(12).to_string(), "87.36842105");
        assert_eq!((way.price(0), way.price(25)), (Decimal::from(100), Decimal::from(80)));
        way.go(ticks[2]);
        way.go(ticks[3]);
        way.go(ticks[4]);
        assert_eq!((way.price(59), way.price(60)), (Decimal::from(90), Decimal::from(70)));
        // Half a minute back is known, and no more.
        assert_eq!((way.price(30), way.price(0)), (Decimal::from(102), Decimal::from(80)));
    }
}
