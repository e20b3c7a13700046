//! Which column of a file is what, by its name.

use std::{convert::Infallible, fmt};

use super::fault::BarsError;

/// A column of a price file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// When the bar opens.
    Time,
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price.
    Close,
    /// Units traded.
    Volume,
}

/// What a row, or the header, has in each column. Open, high and low are there together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns<T> {
    pub(super) time: T,
    /// Open, high, low.
    pub(super) range: Option<[T; 3]>,
    pub(super) close: T,
    pub(super) volume: Option<T>,
}

impl Column {
    /// Names that it goes by, in small letters and with `_` for a space; where a file has several, the first of these is meant.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Time => &["ts", "timestamp", "time", "datetime", "open_time", "unix_time", "unix", "date"],
            Self::Open => &["open", "o"],
            Self::High => &["high", "h"],
            Self::Low => &["low", "l"],
            Self::Close => &["close", "c", "price"],
            Self::Volume => &["volume", "v"],
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Time => "time",
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::Volume => "volume",
        })
    }
}

impl Columns<usize> {
    /// Finds them among the names of a file's columns, from 0.
    ///
    /// # Errors
    /// There is no time or no close, or some of open, high and low alone, or two columns of one name.
    pub(super) fn find(names: &[String]) -> Result<Self, BarsError> {
        let [time, open, high, low, close, volume] =
            [Column::Time, Column::Open, Column::High, Column::Low, Column::Close, Column::Volume]
                .map(|column| Ok::<_, BarsError>((column, position(column, names)?)));
        let (range, ends) = ([open?, high?, low?], [time?, close?]);
        let ranged = range.iter().any(|(_, position)| position.is_some());
        let needed = ends.iter().chain(range.iter().filter(|_| ranged));
        let missing: Vec<Column> =
            needed.filter(|(_, position)| position.is_none()).map(|(column, _)| *column).collect();
        let ([(_, Some(time)), (_, Some(close))], true) = (ends, missing.is_empty()) else {
            return Err(BarsError::NoColumn { missing, found: names.to_vec() });
        };
        let range = match range {
            [(_, Some(open)), (_, Some(high)), (_, Some(low))] => Some([open, high, low]),
            _ => None,
        };
        Ok(Self { time, range, close, volume: volume?.1 })
    }
}

impl<T> Columns<T> {
    /// The same of what each becomes.
    pub(super) fn map<U>(&mut self, mut becomes: impl FnMut(&mut T) -> U) -> Columns<U> {
        let Ok(mapped) = self.try_map(|it| Ok::<_, Infallible>(becomes(it)));
        mapped
    }

    /// The same, or the first failure.
    pub(super) fn try_map<U, E>(
        &mut self,
        mut becomes: impl FnMut(&mut T) -> Result<U, E>,
    ) -> Result<Columns<U>, E> {
        let range = match &mut self.range {
            Some([open, high, low]) => Some([becomes(open)?, becomes(high)?, becomes(low)?]),
            None => None,
        };
        Ok(Columns {
            time: becomes(&mut self.time)?,
            range,
            close: becomes(&mut self.close)?,
            volume: self.volume.as_mut().map(becomes).transpose()?,
        })
    }
}

fn position(column: Column, names: &[String]) -> Result<Option<usize>, BarsError> {
    let of = |name: &str| {
        let plain = |found: &str| found.trim().replace(' ', "_");
        let same = |(at, found): (usize, &String)| plain(found).eq_ignore_ascii_case(name).then_some(at);
        let mut found = names.iter().enumerate().filter_map(same);
        (found.next(), found.next())
    };
    match column.names().iter().map(|name| (name, of(name))).find(|(_, (first, _))| first.is_some()) {
        Some((name, (_, Some(_)))) => Err(BarsError::Twice((*name).to_owned())),
        Some((_, (first, None))) => Ok(first),
        None => Ok(None),
    }
}
