//! From rows in any order to bars, with everything that is wrong or to be known.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::cell::Cell;
use super::columns::{Column, Columns};
use super::fault::{BarsError, Fault, Faults, Place};
use super::note::Note;
use super::{Bar, Bars};

/// Bars so far.
pub(super) struct Gathering {
    place: fn(u64) -> Place,
    bars: Vec<Numbered>,
    faults: Faults,
}

/// A bar and the number of its row.
struct Numbered {
    number: u64,
    bar: Bar,
}

impl Gathering {
    /// Of rows whose number means this place.
    pub(super) const fn new(place: fn(u64) -> Place) -> Self {
        Self { place, bars: Vec::new(), faults: Faults::EMPTY }
    }

    /// Takes a row of a file. Rows come in the order of their numbers.
    pub(super) fn row(&mut self, number: u64, row: &Columns<Cell<'_>>) {
        let opened = self.sound(number, row.time.time());
        let close = self.sound(number, row.close.number(Column::Close));
        let range = row.range.as_ref().map(|[open, high, low]| {
            [(open, Column::Open), (high, Column::High), (low, Column::Low)]
                .map(|(cell, column)| self.sound(number, cell.number(column)))
        });
        let volume = match &row.volume {
            None | Some(Cell::Empty) => Some(None),
            Some(volume) => self.sound(number, volume.number(Column::Volume)).map(Some),
        };
        let [open, high, low] = range.unwrap_or([close; 3]);
        if let (Some(opened), Some(open), Some(high), Some(low), Some(close), Some(volume)) =
            (opened, open, high, low, close, volume)
        {
            self.bar(number, Bar { opened, open, high, low, close, volume });
        }
    }

    /// Takes a bar.
    pub(super) fn bar(&mut self, number: u64, bar: Bar) {
        let before = self.faults.count();
        for fault in faults(&bar) {
            self.fault(number, fault);
        }
        if self.faults.count() == before {
            self.bars.push(Numbered { number, bar });
        }
    }

    /// Takes note of a fault.
    pub(super) fn fault(&mut self, number: u64, fault: Fault) {
        self.faults.add((self.place)(number), fault);
    }

    /// The bars in the order of time.
    ///
    /// # Errors
    /// Rows are faulty, two of one time differ, or fewer than two bars are left.
    pub(super) fn finish(mut self) -> Result<Bars, BarsError> {
        let mut notes: Vec<Note> = self.sort().into_iter().collect();
        notes.extend(self.unite());
        if self.faults.count() > 0 {
            return Err(self.faults.into());
        }
        let step_seconds = step(&self.bars).ok_or(BarsError::TooFew(self.bars.len()))?;
        notes.extend(
            distances(&self.bars).filter_map(|(distance, next)| self.uneven(distance, next, step_seconds)),
        );
        let bars = self.bars.into_iter().map(|numbered| numbered.bar).collect();
        Ok(Bars { bars, step_seconds, notes })
    }

    fn sound<T>(&mut self, number: u64, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.fault(number, fault)).ok()
    }

    /// Brings the rows into the order of time, those of one time into that of the file.
    fn sort(&mut self) -> Option<Note> {
        let pairs = self.bars.iter().zip(self.bars.iter().skip(1));
        let mut earlier =
            pairs.filter(|(one, next)| next.bar.opened < one.bar.opened).map(|(_, next)| next.number);
        let first = (self.place)(earlier.next()?);
        let rows = earlier.count().saturating_add(1);
        self.bars.sort_unstable_by_key(|numbered| (numbered.bar.opened, numbered.number));
        Some(Note::Sorted { rows, first })
    }

    /// Leaves one row of each time.
    fn unite(&mut self) -> Vec<Note> {
        let (place, faults) = (self.place, &mut self.faults);
        let mut notes = Vec::new();
        self.bars.dedup_by(|next, kept| {
            let opened = kept.bar.opened;
            if next.bar.opened != opened {
                return false;
            }
            let (at, kept_at) = (place(next.number), place(kept.number));
            if next.bar == kept.bar {
                notes.push(Note::Repeated { opened, place: at, kept: kept_at });
            } else {
                faults.add(at, Fault::Contradiction { other: kept_at, opened });
            }
            true
        });
        notes
    }

    /// What there is to say of a bar so many seconds after the one before.
    fn uneven(&self, distance: u64, next: &Numbered, step: u64) -> Option<Note> {
        let (opened, place) = (next.bar.opened, (self.place)(next.number));
        let missing = distance.saturating_sub(step).div_ceil(step);
        if distance < step {
            return Some(Note::Early { opened, after: distance, place });
        }
        let from = opened.saturating_sub(distance).saturating_add(step);
        (missing > 0).then_some(Note::Gap { from, to: opened, missing, before: place })
    }
}

/// What is wrong with a bar.
fn faults(bar: &Bar) -> impl Iterator<Item = Fault> {
    let Bar { open, high, low, close, volume, .. } = *bar;
    let prices = [(Column::Open, open), (Column::High, high), (Column::Low, low), (Column::Close, close)];
    // Of one price alone it is enough to say once what is wrong.
    let flat = prices.iter().all(|(_, price)| *price == close);
    let unpriced = prices
        .into_iter()
        .filter(move |(column, price)| *price <= Decimal::ZERO && (!flat || *column == Column::Close))
        .map(|(column, price)| Fault::NotPositive(column, price));
    // A high below the low says why the others are outside too.
    let crossed = high < low;
    let of_high = prices.into_iter().filter(move |(column, _)| (*column == Column::Low) == crossed);
    let above = of_high
        .filter(move |(_, price)| high < *price)
        .map(move |(column, price)| Fault::HighBelow { high, column, price });
    let below = prices
        .into_iter()
        .filter(move |(_, price)| !crossed && low > *price)
        .map(move |(column, price)| Fault::LowAbove { low, column, price });
    let negative = volume.filter(|volume| *volume < Decimal::ZERO).map(Fault::NegativeVolume);
    unpriced.chain(above).chain(below).chain(negative)
}

/// Seconds from each bar to the next, and the next.
fn distances(bars: &[Numbered]) -> impl Iterator<Item = (u64, &Numbered)> {
    bars.iter()
        .zip(bars.iter().skip(1))
        .map(|(one, next)| (next.bar.opened.saturating_sub(one.bar.opened), next))
}

/// The most frequent distance, the shortest of those that are; `None` of fewer than two bars.
fn step(bars: &[Numbered]) -> Option<u64> {
    let mut counts = BTreeMap::<u64, u64>::new();
    for (distance, _) in distances(bars) {
        let count = counts.entry(distance).or_default();
        *count = count.saturating_add(1);
    }
    // Of equals the last is the largest.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(distance, _)| distance)
}
