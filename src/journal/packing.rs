//! The texts of full records in little room: packed with what they have in common with another record, or with any.
//!
//! Records of one block have its facts in common, those of one vault most of the rest. So a record is packed with the texts
//! of one before it that is of the same feed and pools, its base; a base is packed with a dictionary that is part of the
//! program. Of hashes and exports nothing of this is seen (`docs/journal.md`).

use std::collections::VecDeque;

use serde::Deserialize;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{find_frame_compressed_size, get_frame_content_size};

/// Decisions and facts of every kind. What is packed with it is read with it for ever: another one has another number.
const DICTIONARY: &[u8] = include_bytes!("packing/dictionary-1.txt");

/// The first byte of what is packed with it.
const DICTIONARY_NUMBER: u8 = 1;

/// Most bytes that the texts of a record have; where they have more they are not packed.
const MOST_BYTES: u64 = 16 << 20;

/// A higher one saves 2 % of a record and takes several times as long, between a decision and its transaction.
const LEVEL: i32 = 3;

/// What the column of a decision holds where its text is packed: a text that no decision has.
pub(super) const NO_DECISION: &str = "null";

/// Bases that are held: as many pairs of feed and pools as a keeper may have.
const MOST_BASES: usize = 256;

/// Decision and snapshot of a record, as canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CycleTexts {
    pub(super) decision: String,
    pub(super) snapshot: String,
}

/// The same in little room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    /// Number of the record among cycles with whose texts they are packed.
    pub(super) base: Option<i64>,
}

/// What records have in common that are packed well with each other: the chain, the feed and the pools.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Kin {
    block: KinBlock,
    feeds: KinFeeds,
    pools: Vec<KinPool>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct KinBlock {
    chain_id: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct KinFeeds {
    risky_usd: Addressed,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct KinPool {
    state: Addressed,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Addressed {
    address: String,
}

/// A record that others are packed with.
#[derive(Debug)]
struct Base {
    kin: Kin,
    id: i64,
    /// Bytes that it takes itself.
    packed: usize,
    content: Vec<u8>,
}

/// Packs the texts of records in the order of their writing.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// One of each kin, the one used last at the end.
    bases: VecDeque<Base>,
}

impl Packer {
    /// Packs the texts of the record of number `id` among cycles; `None` where that would not save room.
    pub(super) fn pack(&mut self, id: i64, texts: &CycleTexts) -> Option<Packed> {
        let content = content(texts);
        if u64::try_from(content.len()).ok()? > MOST_BYTES {
            return None;
        }
        let kin = serde_json::from_str::<Kin>(&texts.snapshot).ok();
        let packed = kin.as_ref().and_then(|kin| self.with_base(kin, &content));
        let packed = match packed {
            Some(packed) => packed,
            None => self.alone(id, kin, &content)?,
        };
        (packed.bytes.len() < content.len()).then_some(packed)
    }

    /// Packed with the base of its kin; `None` where there is none, or where it has little in common with it any more.
    fn with_base(&mut self, kin: &Kin, content: &[u8]) -> Option<Packed> {
        let place = self.bases.iter().position(|base| base.kin == *kin)?;
        let base = self.bases.remove(place)?;
        let bytes = packed(content, &[DICTIONARY, &base.content].concat())?;
        if bytes.len().saturating_mul(2) > base.packed {
            return None;
        }
        let id = base.id;
        self.bases.push_back(base);
        Some(Packed { bytes, base: Some(id) })
    }

    /// Packed with the dictionary alone; its kin are packed with it from now on.
    fn alone(&mut self, id: i64, kin: Option<Kin>, content: &[u8]) -> Option<Packed> {
        let bytes = packed(content, DICTIONARY)?;
        if let Some(kin) = kin {
            if self.bases.len() >= MOST_BASES {
                self.bases.pop_front();
            }
            self.bases.push_back(Base { kin, id, packed: bytes.len(), content: content.to_vec() });
        }
        Some(Packed { bytes, base: None })
    }
}

/// What [`Packer::pack`] packed, `base` being the bytes of its base where it has one.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn unpack(bytes: &[u8], base: Option<&[u8]>) -> Result<CycleTexts, String> {
    let content = match base {
        None => unpacked(bytes, DICTIONARY)?,
        Some(base) => {
            let base = unpacked(base, DICTIONARY)
                .map_err(|what| format!("of the record it is packed with {what}"))?;
            unpacked(bytes, &[DICTIONARY, &base].concat())?
        }
    };
    texts(&content).ok_or_else(|| "the packed texts are not a decision and its snapshot".to_owned())
}

/// The texts one after the other, each an item as in the hash of the record.
fn content(texts: &CycleTexts) -> Vec<u8> {
    let item = |text: &str| format!("{}:{text}", text.len());
    [item(&texts.decision), item(&texts.snapshot)].concat().into_bytes()
}

/// The texts of [`content`].
fn texts(content: &[u8]) -> Option<CycleTexts> {
    let (decision, rest) = item(std::str::from_utf8(content).ok()?)?;
    let (snapshot, rest) = item(rest)?;
    let texts = CycleTexts { decision: decision.to_owned(), snapshot: snapshot.to_owned() };
    rest.is_empty().then_some(texts)
}

fn item(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

fn packed(content: &[u8], dictionary: &[u8]) -> Option<Vec<u8>> {
    let frame =
        Compressor::with_dictionary(LEVEL, dictionary).and_then(|mut with| with.compress(content)).ok()?;
    Some([&[DICTIONARY_NUMBER], frame.as_slice()].concat())
}

fn unpacked(bytes: &[u8], dictionary: &[u8]) -> Result<Vec<u8>, String> {
    let (number, frame) = bytes.split_first().ok_or("the packed texts are empty")?;
    if *number != DICTIONARY_NUMBER {
        return Err(format!(
            "the texts are packed with dictionary {number}, and this program has {DICTIONARY_NUMBER}: use the newer program"
        ));
    }
    let damaged = |why: &dyn std::fmt::Display| format!("the packed texts are damaged ({why})");
    let length = get_frame_content_size(frame).ok().flatten().ok_or_else(|| damaged(&"no length"))?;
    if length > MOST_BYTES {
        return Err(format!(
            "the packed texts claim {length} bytes, more than the {MOST_BYTES} that a record has"
        ));
    }
    // One frame, and nothing after it that nobody looks at.
    if find_frame_compressed_size(frame) != Ok(frame.len()) {
        return Err(damaged(&"not one whole frame"));
    }
    let capacity = usize::try_from(length).map_err(|why| damaged(&why))?;
    let content =
        Decompressor::with_dictionary(dictionary).and_then(|mut with| with.decompress(frame, capacity));
    content.map_err(|why| damaged(&why))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{b256, keccak256};

    use super::*;

    fn texts_of(vault: &str) -> CycleTexts {
        let decision = include_str!("../../tests/fixtures/decision.json").to_owned();
        let snapshot = include_str!("../../tests/fixtures/snapshot.json");
        CycleTexts { decision, snapshot: snapshot.replace("000000000000000000000000000000000000fade", vault) }
    }

    fn vault(number: usize) -> CycleTexts {
        texts_of(&format!("{number:040}"))
    }

    #[test]
    fn the_dictionary_is_what_it_was() {
        let hash = b256!("32e635e91a73636542cbbaa496f7e3dc6cbf261ca901b48909ffceade89cd234");
        assert_eq!(keccak256(DICTIONARY), hash, "a changed dictionary is another one, with another number");
    }

    #[test]
    fn texts_come_back_alone_and_with_a_base() {
        let mut packer = Packer::default();
        let (first, second) = (packer.pack(7, &vault(1)).unwrap(), packer.pack(8, &vault(2)).unwrap());
        assert_eq!((first.base, second.base), (None, Some(7)));
        assert!(first.bytes.len() < 2_000, "{} bytes alone", first.bytes.len());
        assert!(second.bytes.len() < 200, "{} bytes of what is alike", second.bytes.len());
        assert_eq!(unpack(&first.bytes, None), Ok(vault(1)));
        assert_eq!(unpack(&second.bytes, Some(&first.bytes)), Ok(vault(2)));
        // The same records are packed the same, whoever packs them.
        assert_eq!(Packer::default().pack(7, &vault(1)), Some(first));
    }

    /// The same facts at a time when every round of the feeds is another.
    fn with_other_rounds(snapshot: &str) -> String {
        let key = "\"answer\":\"";
        let (before, rounds) = snapshot.split_once(key).unwrap();
        let others = rounds.split(key).map(|round| format!("{key}{:x}{round}", keccak256(round)));
        [before.to_owned()].into_iter().chain(others).collect()
    }

    #[test]
    fn a_base_that_has_little_in_common_any_more_is_followed_by_another() {
        let mut packer = Packer::default();
        packer.pack(1, &vault(1)).unwrap();
        let later = CycleTexts { snapshot: with_other_rounds(&vault(2).snapshot), ..vault(2) };
        assert_eq!(packer.pack(2, &later).unwrap().base, None);
        assert_eq!(packer.pack(3, &later).unwrap().base, Some(2));
        assert_eq!(packer.bases.len(), 1);
    }

    #[test]
    fn what_is_no_longer_than_its_texts_or_too_long_stays_as_it_is() {
        let texts = |decision: &str, snapshot: &str| CycleTexts {
            decision: decision.into(),
            snapshot: snapshot.into(),
        };
        let mut packer = Packer::default();
        assert_eq!(packer.pack(1, &texts("1", "2")), None);
        let long = "7".repeat(usize::try_from(MOST_BYTES).unwrap());
        assert_eq!(packer.pack(1, &texts("1", &long)), None);
        assert_eq!(packer.pack(1, &texts("1", &long[20..])).map(|packed| packed.base), Some(None));
    }

    #[test]
    fn bases_are_as_many_as_are_used() {
        let mut packer = Packer::default();
        let feed = |number: usize| {
            let mut texts = vault(number);
            texts.snapshot =
                texts.snapshot.replace("5f4ec3df9cbd43714fe2740f5e3616155c5b8419", &format!("{number:040}"));
            texts
        };
        for number in 0..=MOST_BASES {
            packer.pack(i64::try_from(number).unwrap(), &feed(number)).unwrap();
            assert_eq!(packer.pack(1_000, &feed(0)).unwrap().base, Some(0), "the first is used all the time");
        }
        assert_eq!(packer.bases.len(), MOST_BASES);
        assert_eq!(packer.pack(1_001, &feed(1)).unwrap().base, None, "the second was not");
    }

    #[test]
    fn bytes_that_nobody_packed_are_an_error_that_says_what_is_wrong() {
        let mut packer = Packer::default();
        let (first, second) =
            (packer.pack(1, &vault(1)).unwrap().bytes, packer.pack(2, &vault(2)).unwrap().bytes);
        let error = |bytes: &[u8], base| unpack(bytes, base).unwrap_err();
        assert_eq!(error(&[], None), "the packed texts are empty");
        let other = [&[9], &first[1..]].concat();
        assert!(error(&other, None).contains("packed with dictionary 9, and this program has 1"));
        for torn in [1, 2, 5, 100, first.len() - 1] {
            assert!(error(&first[..torn], None).contains("are damaged"), "{torn}");
        }
        let followed = [first.as_slice(), &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat();
        assert!(error(&followed, None).contains("not one whole frame"), "a frame that is skipped");
        assert!(error(&second, Some(&first[..40])).starts_with("of the record it is packed with"));
        // Without its base it is other bytes, or none.
        assert_ne!(unpack(&second, None), Ok(vault(2)));
        let with = |content: &[u8]| packed(content, DICTIONARY).unwrap();
        assert!(error(&with(b"3:abc"), None).contains("not a decision and its snapshot"));
        assert!(error(&with(b"3:abc3:abcd"), None).contains("not a decision and its snapshot"));
        assert!(error(&with(b"99:abc3:abc"), None).contains("not a decision and its snapshot"));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = packed(&vec![0; 1 + usize::try_from(MOST_BYTES).unwrap()], DICTIONARY).unwrap();
        assert!(bomb.len() < 2_000);
        let claims = "the packed texts claim 16777217 bytes, more than the 16777216 that a record has";
        assert_eq!(unpack(&bomb, None), Err(claims.to_owned()));
        // One that claims less is cut off where it claims to end.
        let frame = zstd::bulk::compress(&vec![0; 1 << 20], LEVEL).unwrap();
        let place = frame.windows(4).position(|bytes| bytes == (1_u32 << 20).to_le_bytes()).unwrap();
        let mut lying = frame;
        lying[place..place + 4].copy_from_slice(&300_u32.to_le_bytes());
        let lying = [&[DICTIONARY_NUMBER], lying.as_slice()].concat();
        assert!(unpack(&lying, None).unwrap_err().contains("are damaged"));
    }
}
