//! Price files as bars: what is read, what is refused with its line, and what is told.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/data.rs"]
mod data;

use std::{fs, io::Write};

use data::data;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rust_decimal::Decimal;
use tempfile::NamedTempFile;
use vault_keeper::backtest::bars::{Bar, Bars, BarsError, Note, Place};

/// 2021-05-19 13:00:00 UTC.
const OPENED: u64 = 1_621_429_200;

fn read(text: impl AsRef<[u8]>) -> Result<Bars, BarsError> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_ref()).unwrap();
    Bars::read(file.path())
}

/// What is wrong, without the name of the file.
fn wrong(text: impl AsRef<[u8]>) -> String {
    let BarsError::InFile { error, .. } = read(text).unwrap_err() else { panic!("the file is not named") };
    error.to_string()
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn bar(opened: u64, [open, high, low, close]: [&str; 4], volume: Option<&str>) -> Bar {
    let [open, high, low, close] = [open, high, low, close].map(decimal);
    Bar { opened, open, high, low, close, volume: volume.map(decimal) }
}

fn flat(opened: u64, price: u32) -> Bar {
    let price = Decimal::from(price);
    Bar { opened, open: price, high: price, low: price, close: price, volume: None }
}

#[test]
fn the_same_bars_are_read_from_any_usual_form() {
    let expected = Bars::of(vec![
        bar(OPENED, ["10", "12.5", "9.25", "11"], Some("0.5")),
        bar(OPENED + 60, ["11", "11", "0.001", "10"], None),
        bar(OPENED + 120, ["10", "10", "10", "10"], Some("0")),
    ])
    .unwrap();
    for text in [
        "ts,open,high,low,close,volume\n2021-05-19 13:00:00+00:00,10,12.5,9.25,11,0.5\n2021-05-19 13:01:00+00:00,11,11,1e-3,10,\n2021-05-19 13:02:00+00:00,10,10,10,10,0\n",
        "\u{feff}Open_Time;O;H;L;C;V\r\n1621429200000;10.0;12.50;9.25;+11;5E-1\r\n1621429260000;11;11;0.001;10;\r\n\r\n1621429320000;10;10;10;1.0e1;0\r\n",
        "Open time,Open,High,Low,Close,Volume,Close time\n1621429200000,10,12.5,9.25,11,0.5,1621429259999\n1621429260000,11,11,0.001,10,,1\n1621429320000,10,10,10,10,0,1\n",
        "symbol\tVolume\tClose\tLOW\thigh\tOpen\tDateTime\nETH, \"x\"\t.5\t11\t9.25\t12.5\t10\t2021-05-19T15:00:00+02:00\nETH\t\t10\t.001\t11\t11\t2021-05-19T13:01Z\nETH\t0\t10.\t10\t10\t10\t2021-05-19 13:02\n",
        "\"timestamp\",\"open\",\"high\",\"low\",\"price\",\"volume\"\n\"1621429200\",10,\"12.5\",9.25,11,0.5\n 1621429260.0 , 11 ,11,0.001,10,\n1621429320000000000,10,10,10,10,0",
    ] {
        let bars = read(text).unwrap();
        assert_eq!(bars.bars(), expected.bars(), "{text}");
        assert_eq!((bars.step_seconds(), bars.notes()), (60, &[][..]), "{text}");
    }
}

#[test]
fn bytes_of_columns_that_are_not_read_may_be_anything() {
    let bars = read(b"symbol,time,close\n\xff\xfe,0,1\n\xe9,60,2\n").unwrap();
    assert_eq!(bars.bars(), [flat(0, 1), flat(60, 2)]);
    assert_eq!(
        wrong(b"time,close\n0,\xff1\n60,2\n"),
        "line 2 close `\u{fffd}` is no number: write it as 1234.5 or 1e-3"
    );
}

#[test]
fn a_time_and_a_price_alone_make_bars_of_one_price() {
    let bars = read("price,date\n3,2021-05-20\n2,2021-05-19\n").unwrap();
    let day = OPENED - 13 * 3_600;
    assert_eq!(bars.bars(), [flat(day, 2), flat(day + 86_400, 3)]);
    assert_eq!(bars.step_seconds(), 86_400);
}

#[test]
fn of_several_names_for_one_column_the_usual_one_is_meant() {
    let bars = read("unix,price,date,c,close,ts\n1,5,x,6,7,0\n1,5,x,6,8,60\n").unwrap();
    assert_eq!(bars.bars(), [flat(0, 7), flat(60, 8)]);
}

#[test]
fn missing_columns_are_named_with_those_that_are_there() {
    assert_eq!(
        wrong("when,open,close\n0,1,1\n"),
        "has no column for time (ts, timestamp, time, datetime, open_time, unix_time, unix, date); \
         has no column for high (high, h); has no column for low (low, l); its columns are: when, open, close"
    );
    let twice = "Open time,open_time,close\n0,0,1\n";
    assert_eq!(wrong(twice), "has two columns open_time: leave the one that is meant");
    let empty = "is empty: expected a line with the names of its columns, time, open, high, low and close, and a row for each bar";
    assert_eq!((wrong(""), wrong("\n \n")), (empty.to_owned(), empty.to_owned()));
    assert_eq!(wrong("ts,close,Close\n0,1,1\n"), "has two columns close: leave the one that is meant");
}

#[test]
fn faults_are_named_together_by_their_lines() {
    let text = "ts,open,high,low,close,volume\n\
                0,1,1,1,1,1\n\
                noon,1,x,1,NaN,1\n\
                120,1,1,1,0,1\n\
                180,2,1,1,1,1\n\
                240,1,2,3,1,1\n\
                \n\
                360,1,3,2,4,-1\n\
                420,1,1,1\n\
                480,1,1,1,,1\n";
    assert_eq!(
        wrong(text),
        "line 3 time `noon` is none: write unix time or 2021-05-19T13:05:00Z; \
         line 3 close `NaN` is no number: write it as 1234.5 or 1e-3; \
         line 3 high `x` is no number: write it as 1234.5 or 1e-3; \
         line 4 close 0 is not above zero; line 4 low 1 is above close 0; \
         line 5 high 1 is below open 2; line 6 high 2 is below low 3; \
         line 8 high 3 is below close 4; line 8 low 2 is above open 1; line 8 volume -1 is below zero; \
         and 2 more"
    );
}

#[test]
fn lines_are_counted_right_with_carriage_returns_and_empty_lines() {
    let faults =
        "line 4 close 0 is not above zero; line 7 close `x` is no number: write it as 1234.5 or 1e-3";
    assert_eq!(wrong("ts,close\n0,1\n60,1\n120,0\n\n\n180,x\n"), faults);
    assert_eq!(wrong("ts,close\r\n0,1\r\n60,1\r\n120,0\r\n\r\n\r\n180,x\r\n"), faults);
}

#[test]
fn numbers_are_exact_or_refused() {
    let refused = |text: &str| wrong(format!("ts;close\n0;{text}\n60;1\n"));
    for text in ["1,234.5", "1_000", "inf", "-inf", "nan", "1e", "e5", "1.2.3", "0x10", "--1", ".", "1 000"] {
        let expected = format!("line 2 close `{text}` is no number: write it as 1234.5 or 1e-3");
        assert_eq!(refused(text), expected);
    }
    for text in
        ["0.00000000000000000000000000001", "79228162514264337593543950336", "1e29", "1e-29", "1.5e-28"]
    {
        let expected = format!(
            "line 2 close `{text}` has too many digits: 28 are kept, as many of them after the point"
        );
        assert_eq!(refused(text), expected);
    }
    for (text, exact) in [
        ("1234.5678901234567890123456", "1234.5678901234567890123456"),
        ("1e-28", "0.0000000000000000000000000001"),
        ("7.9e28", "79000000000000000000000000000"),
        ("12300e-2", "123"),
        ("1.50", "1.5"),
    ] {
        let bars = read(format!("ts;close\n0;{text}\n60;1\n")).unwrap();
        assert_eq!(bars.bars()[0].close.to_string(), exact);
    }
    assert_eq!(
        wrong("ts,close\n0,\"1,234.5\"\n60,1\n"),
        "line 2 close `1,234.5` is no number: write it as 1234.5 or 1e-3"
    );
    assert_eq!(wrong("ts,close\n0,1,234.5\n60,1\n"), "line 2 has 3 fields where the header has 2");
}

#[test]
fn a_time_between_two_seconds_is_refused() {
    assert_eq!(
        wrong("ts,close\n1621429200500,1\n60,1\n"),
        "line 2 time `1621429200500` is not at a whole second"
    );
}

#[test]
fn rows_of_one_time_that_differ_are_faults_and_equal_ones_are_left_out() {
    assert_eq!(
        wrong("ts,close\n60,1\n0,1\n60,2\n60,1\n60,3\n"),
        "line 4 differs from line 2, which has the same time, 1970-01-01 00:01:00; \
         line 6 differs from line 2, which has the same time, 1970-01-01 00:01:00"
    );
    let bars = read("ts,close,volume\n60,1.0,1\n0,1,1\n1970-01-01 00:01,1,1.00\n").unwrap();
    assert_eq!(bars.bars().len(), 2);
    assert_eq!(
        bars.notes(),
        [
            Note::Sorted { rows: 1, first: Place::Line(3) },
            Note::Repeated { opened: 60, place: Place::Line(4), kept: Place::Line(2) }
        ]
    );
    let told: Vec<_> = bars.notes().iter().map(Note::to_string).collect();
    assert_eq!(
        told,
        [
            "1 rows are earlier than the one before them, the first at line 3: sorted by time",
            "line 4 says the same as line 2: left out"
        ]
    );
}

#[test]
fn gaps_and_bars_that_come_early_are_told() {
    let bars = read("ts,close\n0,1\n60,1\n120,1\n300,1\n330,1\n420,1\n480,1\n").unwrap();
    assert_eq!(bars.step_seconds(), 60);
    assert_eq!(
        bars.notes(),
        [
            Note::Gap { from: 180, to: 300, missing: 2, before: Place::Line(5) },
            Note::Early { opened: 330, after: 30, place: Place::Line(6) },
            Note::Gap { from: 390, to: 420, missing: 1, before: Place::Line(7) },
        ]
    );
    assert_eq!(
        bars.notes()[0].to_string(),
        "2 bars are missing from 1970-01-01 00:03:00 to 1970-01-01 00:05:00 UTC, before line 5"
    );
}

#[test]
fn of_equally_frequent_distances_the_shortest_is_the_step() {
    let bars = read("ts,close\n0,1\n60,1\n120,1\n420,1\n720,1\n").unwrap();
    assert_eq!(bars.step_seconds(), 60);
}

#[test]
fn bars_in_memory_are_held_to_the_same() {
    let crossed = bar(60, ["1", "1", "2", "1"], None);
    let error = Bars::of(vec![flat(0, 1), crossed, flat(0, 2), flat(120, 0)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bar 2 high 1 is below low 2; bar 3 differs from bar 1, which has the same time, 1970-01-01 00:00:00; \
         bar 4 close 0 is not above zero"
    );
    assert_eq!(
        Bars::of(vec![flat(0, 1), flat(0, 1)]).unwrap_err().to_string(),
        "has 1 bars, where at least two are needed"
    );
}

#[test]
fn a_part_has_the_bars_that_are_over_by_its_end_and_their_notes() {
    let bars = read("ts,close\n0,1\n60,2\n180,4\n240,5\n360,6\n300,7\n").unwrap();
    let part = bars.clone().between(Some(60), Some(300)).unwrap();
    assert_eq!(part.bars(), [flat(60, 2), flat(180, 4), flat(240, 5)]);
    let gap = Note::Gap { from: 120, to: 180, missing: 1, before: Place::Line(4) };
    assert_eq!(part.notes(), [Note::Sorted { rows: 1, first: Place::Line(7) }, gap]);
    let later = bars.clone().between(Some(61), None).unwrap();
    assert_eq!(later.bars(), &bars.bars()[2..]);
    assert_eq!(later.notes(), &bars.notes()[..1]);
    // Both bars are from the sides of the gap: the step is still that of the file.
    assert_eq!(bars.clone().between(Some(60), Some(240)).unwrap().step_seconds(), 60);
    assert_eq!(
        bars.clone().between(Some(60), Some(239)).unwrap_err().to_string(),
        "fewer than two bars are wholly between 1970-01-01 00:01:00 and 1970-01-01 00:03:59: the bars open from \
         1970-01-01 00:00:00 to 1970-01-01 00:06:00 UTC"
    );
    assert_eq!(bars.clone().between(None, None).unwrap(), bars);
}

#[test]
fn what_cannot_be_read_is_named() {
    let error = Bars::read("/nowhere/prices.csv".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/prices.csv: cannot be read: "), "{error}");
    assert_eq!(wrong("ts,close\n0,1\n"), "has 1 bars, where at least two are needed");
}

/// Rows as a file could have them: times any whole number of minutes apart, prices of up to six digits after the point.
fn rows() -> impl Strategy<Value = Vec<String>> {
    let price = || (1_i64..1_000_000_000, 0_u32..7).prop_map(|(digits, places)| Decimal::new(digits, places));
    let step = (1_u64..4, [price(), price(), price(), price()], prop::option::of(price()));
    prop::collection::vec(step, 2..40).prop_map(|steps| {
        let row = |time: &mut u64, (minutes, mut prices, volume): (u64, [Decimal; 4], Option<Decimal>)| {
            *time += minutes * 60;
            prices.sort();
            let [low, open, close, high] = prices;
            let volume = volume.map_or_else(String::new, |volume| volume.to_string());
            Some(format!("{time},{open},{high},{low},{close},{volume}"))
        };
        steps.into_iter().scan(OPENED, row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_in_any_order_and_told_twice_give_equal_bars(
        (rows, shuffled) in rows().prop_flat_map(|rows| {
            let twice = [rows.clone(), rows[..rows.len() / 3].to_vec()].concat();
            (Just(rows), Just(twice).prop_shuffle())
        }),
    ) {
        let text = |rows: &[String]| format!("ts,open,high,low,close,volume\n{}\n", rows.join("\n"));
        let expected = read(text(&rows)).unwrap();
        let bars = read(text(&shuffled)).unwrap();
        prop_assert_eq!(&bars, &expected);
        prop_assert_eq!(bars.bars().len(), rows.len());
        let left_out = bars.notes().iter().filter(|note| matches!(note, Note::Repeated { .. })).count();
        prop_assert_eq!(left_out, rows.len() / 3);
        prop_assert_eq!(Bars::of(bars.bars().to_vec()).unwrap(), expected);
    }
}

#[test]
fn every_recorded_price_file_is_read_whole() {
    let Some(directory) = data("prices") else { return };
    let mut found: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let read: Vec<_> = found
        .iter()
        .map(|path| {
            let bars = Bars::read(path).unwrap();
            let missing = bars.notes().iter().map(|note| {
                let Note::Gap { missing, .. } = note else { panic!("{}: {note}", path.display()) };
                missing
            });
            let (first, last) = (bars.bars()[0].opened, bars.bars().last().unwrap().opened);
            let name = path.file_stem().unwrap().to_str().unwrap();
            (
                name,
                bars.bars().len(),
                bars.step_seconds(),
                first,
                last,
                missing.clone().count(),
                missing.sum::<u64>(),
            )
        })
        .collect();
    let expected = [
        ("btc_usdt_1h_2019_2023", 43_765, 3_600, 1_546_300_800, 1_704_063_600, 20, 59),
        ("eth_usdt_1h_2019_2023", 43_765, 3_600, 1_546_300_800, 1_704_063_600, 20, 59),
        ("eth_usdt_1m_2021-05_crash", 42_915, 60, 1_618_951_200, 1_621_543_080, 1, 284),
        ("eth_usdt_1m_2021-09", 43_079, 60, 1_631_917_320, 1_634_509_200, 1, 120),
        ("eth_usdt_1m_2021-12_flash_crash", 43_200, 60, 1_636_621_860, 1_639_213_800, 0, 0),
        ("eth_usdt_5m_2021-h1", 38_059, 300, 1_609_459_200, 1_620_912_300, 4, 119),
        ("eth_usdt_5m_2022-h1_luna", 61_999, 300, 1_640_995_200, 1_659_594_600, 0, 0),
    ];
    assert_eq!(read, expected);
    for (name, rows, step, first, last, _, missing) in expected {
        assert_eq!((last - first) / step + 1, rows as u64 + missing, "{name}");
    }
}
