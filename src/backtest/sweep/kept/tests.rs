use tempfile::TempDir;

use super::*;
use crate::backtest::past::metrics::Metrics;

fn origin(policy: &str) -> Origin {
    serde_json::from_value(serde_json::json!({ "policy": policy, "gas": "1" })).unwrap()
}

fn keys() -> Vec<Option<B256>> {
    vec![Some(B256::repeat_byte(1)), None, Some(B256::repeat_byte(3)), Some(B256::repeat_byte(4))]
}

fn walked(end: f64) -> Outcome {
    Outcome::Walked(Box::new(Metrics { end, ..Metrics::default() }))
}

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("cells.jsonl")
    }

    fn open(&self) -> Result<Kept, KeptError> {
        Kept::open(&self.path(), &origin("a"), keys())
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }
}

#[test]
fn what_is_kept_is_there_again_to_the_last_bit_and_the_rest_is_left() {
    let desk = Desk::new();
    let mut kept = desk.open().unwrap();
    assert_eq!(kept.left(), [0, 2, 3]);
    let odd = 0.1 + 0.2;
    kept.keep(vec![(2, walked(odd)), (0, Outcome::Failed("no \"way\"\n".to_owned()))]).unwrap();
    drop(kept);
    let kept = desk.open().unwrap();
    assert_eq!((kept.left(), kept.torn()), (vec![3], 0));
    assert_eq!(kept.outcomes()[&2], walked(odd));
    assert_eq!(kept.outcomes()[&0], Outcome::Failed("no \"way\"\n".to_owned()));
}

#[test]
fn wherever_a_crash_tore_the_end_off_every_whole_line_is_kept() {
    let desk = Desk::new();
    let mut kept = desk.open().unwrap();
    kept.keep(vec![(0, walked(1.0)), (2, walked(2.0))]).unwrap();
    drop(kept);
    let whole = desk.bytes();
    let ends: Vec<usize> =
        whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let around = ends.iter().flat_map(|end| [end - 1, *end, end + 1]).filter(|cut| *cut < whole.len());
    for cut in around.chain((0..whole.len()).step_by(61)) {
        std::fs::write(desk.path(), &whole[..cut]).unwrap();
        let mut kept = desk.open().unwrap();
        let lines = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(kept.outcomes().len(), lines.saturating_sub(1), "{cut}");
        assert_eq!(kept.torn(), cut - ends[..lines].last().copied().unwrap_or(0), "{cut}");
        let left: Vec<_> =
            [(0, walked(1.0)), (2, walked(2.0))].into_iter().skip(kept.outcomes().len()).collect();
        kept.keep(left).unwrap();
        drop(kept);
        assert_eq!(desk.bytes(), whole, "{cut}");
    }
    // As a disk may leave what was not synced.
    std::fs::write(desk.path(), [whole.as_slice(), &[0; 700]].concat()).unwrap();
    assert_eq!(desk.open().unwrap().torn(), 700);
    assert_eq!(desk.bytes(), whole);
}

#[test]
fn the_file_of_something_else_is_refused_and_left_as_it_is() {
    let desk = Desk::new();
    let mut kept = desk.open().unwrap();
    kept.keep(vec![(0, walked(1.0)), (2, walked(2.0))]).unwrap();
    let told = |desk: &Desk, keys: Vec<Option<B256>>, policy: &str| {
        Kept::open(&desk.path(), &origin(policy), keys).unwrap_err().to_string()
    };
    assert!(told(&desk, keys(), "a").starts_with("another sweep is writing "));
    drop(kept);
    let whole = desk.bytes();
    let other = told(&desk, keys(), "b");
    assert!(other.contains("is of a sweep with other inputs (policy): name another --out"), "{other}");
    let mut moved = keys();
    moved.swap(0, 2);
    assert!(told(&desk, moved, "a").contains("cells.jsonl:2: is no line of this sweep"));
    let text = String::from_utf8(whole.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let damaged = [lines[0], "oh", lines[2], ""].join("\n");
    for (text, line) in [(damaged, 2), ("name,value\n".to_owned(), 1), ("a list".to_owned(), 1)] {
        std::fs::write(desk.path(), &text).unwrap();
        let told = told(&desk, keys(), "a");
        assert!(told.contains(&format!("cells.jsonl:{line}: is no line of this sweep")), "{told}");
        assert_eq!(desk.bytes(), text.as_bytes());
    }
}
