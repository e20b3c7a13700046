//! The log of the database, checked before SQLite reads it.
//!
//! SQLite drops everything from the first frame whose checksum is wrong, and says nothing. That is right for a write that
//! was cut off: there the log ends. Where the end of a commit of the same log follows, that commit would be lost.
//! Format: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::JournalError;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic number without its last bit, which tells the order of the bytes that the checksum adds.
const MAGIC: u32 = 0x377f_0682;

/// Refuses a log that is damaged before its end.
pub(super) fn check(journal: &Path) -> Result<(), JournalError> {
    let path = log_path(journal);
    let failed = |error: io::Error| JournalError::Io { path: journal.to_owned(), reason: error.to_string() };
    let mut before = None;
    loop {
        let found = damage(&path).map_err(failed)?;
        let Some(frame) = found else { return Ok(()) };
        // A keeper that writes meanwhile completes the frame until it is looked at again.
        if before == found {
            let reason = format!(
                "its log {} is damaged at frame {frame}, and what was committed after that would be lost",
                path.display()
            );
            return Err(JournalError::Corrupt { path: journal.to_owned(), reason });
        }
        before = found;
    }
}

pub(super) fn log_path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The first damaged frame, from 1, that is not the end of the log; 0 for its header.
fn damage(path: &Path) -> io::Result<Option<u64>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut log = BufReader::new(file);
    let mut header = [0; HEADER];
    if !filled(&mut log, &mut header)? {
        return Ok(None);
    }
    let Some(start) = Log::start(&header) else {
        return Ok(filled(&mut log, &mut [0; FRAME_HEADER])?.then_some(0));
    };
    first_damage(log, start)
}

fn first_damage(mut frames: impl Read, mut log: Log) -> io::Result<Option<u64>> {
    let (mut number, mut bad) = (0_u64, None);
    let (mut header, mut page) = ([0; FRAME_HEADER], vec![0; log.page_size]);
    while filled(&mut frames, &mut header)? && filled(&mut frames, &mut page)? {
        number = number.saturating_add(1);
        let of_this_log = log.owns(&header);
        match bad {
            None if of_this_log && log.follows(&header, &page) => {}
            None => bad = Some(number),
            // A write that was cut off may have left frames behind a later one, but never its last, which commits it.
            Some(_) if of_this_log && commits(&header) => return Ok(bad),
            Some(_) => {}
        }
    }
    Ok(None)
}

/// Fills `buffer`; `false` where the file ends before.
fn filled(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

type Sum = (u32, u32);

/// A log that has been read up to a frame.
struct Log {
    page_size: usize,
    big_endian: bool,
    salts: (u32, u32),
    sum: Sum,
}

impl Log {
    fn start(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0)?;
        let big_endian = magic & 1 == 1;
        let page_size = usize::try_from(word(header, 8)?).ok()?;
        let sum = added((0, 0), header.get(..24)?, big_endian);
        let sound = magic & !1 == MAGIC && (512..=65_536).contains(&page_size);
        let salts = (word(header, 16)?, word(header, 20)?);
        (sound && sum == (word(header, 24)?, word(header, 28)?)).then_some(Self {
            page_size,
            big_endian,
            salts,
            sum,
        })
    }

    fn owns(&self, frame: &[u8; FRAME_HEADER]) -> bool {
        word(frame, 8).zip(word(frame, 12)) == Some(self.salts)
    }

    /// Whether the frame is whole and follows those before it.
    fn follows(&mut self, frame: &[u8; FRAME_HEADER], page: &[u8]) -> bool {
        let sum = added(self.sum, frame.get(..8).unwrap_or_default(), self.big_endian);
        self.sum = added(sum, page, self.big_endian);
        word(frame, 16).zip(word(frame, 20)) == Some(self.sum)
    }
}

/// Whether the frame ends a commit.
fn commits(frame: &[u8; FRAME_HEADER]) -> bool {
    word(frame, 4).is_some_and(|pages| pages != 0)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn added(sum: Sum, bytes: &[u8], big_endian: bool) -> Sum {
    let (words, _) = bytes.as_chunks::<4>();
    let number =
        |word: &[u8; 4]| if big_endian { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().fold(sum, |(first, second), [left, right]| {
        let first = first.wrapping_add(number(left)).wrapping_add(second);
        (first, second.wrapping_add(number(right)).wrapping_add(first))
    })
}
