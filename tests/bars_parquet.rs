//! Price files of Parquet, of every type that writers give to times and prices, as bars.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::{fs, fs::File, path::Path, sync::Arc};

use parquet::basic::Compression;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use rust_decimal::Decimal;
use tempfile::{Builder, NamedTempFile};
use vault_keeper::backtest::bars::{Bar, Bars, BarsError, Note, Place};

/// 2021-05-19 13:00:00 UTC.
const OPENED: i64 = 1_621_429_200;

/// A column of the next row group.
type Fill = Box<dyn Fn(&mut SerializedRowGroupWriter<'_, File>)>;

/// A column of which every value is there.
fn full<D: DataType<T: Clone>>(values: Vec<D::T>) -> Fill {
    Box::new(move |group| {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<D>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    })
}

/// An optional column.
fn partly<D: DataType<T: Clone>>(values: Vec<Option<D::T>>) -> Fill {
    Box::new(move |group| {
        let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        let values: Vec<D::T> = values.iter().flatten().cloned().collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<D>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
    })
}

fn file(columns: &str, compression: Compression, groups: &[Vec<Fill>]) -> NamedTempFile {
    let file = Builder::new().suffix(".parquet").tempfile().unwrap();
    let schema = Arc::new(parse_message_type(&format!("message prices {{ {columns} }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(file.reopen().unwrap(), schema, properties).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for fill in columns {
            fill(&mut group);
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    file
}

fn bars(columns: &str, fills: Vec<Fill>) -> Result<Bars, BarsError> {
    Bars::read(file(columns, Compression::UNCOMPRESSED, &[fills]).path())
}

/// What is wrong, without the name of the file.
fn wrong(columns: &str, fills: Vec<Fill>) -> String {
    let Err(BarsError::InFile { error, .. }) = bars(columns, fills) else { panic!("it is read") };
    error.to_string()
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn prices() -> Fill {
    full::<DoubleType>(vec![10.0, 11.0])
}

fn texts(values: &[&str]) -> Fill {
    full::<ByteArrayType>(values.iter().map(|value| ByteArray::from(*value)).collect())
}

#[test]
fn bars_of_several_row_groups_and_any_compression_are_those_of_the_columns() {
    let columns = "required binary symbol (STRING); optional double Volume; required double close;
                   required double low; required double high; required double open;
                   required int64 ts (TIMESTAMP(MILLIS,true));";
    let group = |first: i64, volume: Option<f64>| {
        vec![
            texts(&["ETH", "ETH"]),
            partly::<DoubleType>(vec![volume, Some(0.1)]),
            full::<DoubleType>(vec![11.0, 10.25]),
            full::<DoubleType>(vec![9.1, 1e-3]),
            full::<DoubleType>(vec![12.3, 1e6]),
            full::<DoubleType>(vec![10.0, 11.0]),
            full::<Int64Type>(vec![(OPENED + first) * 1_000, (OPENED + first + 60) * 1_000]),
        ]
    };
    let groups = [group(0, None), group(120, Some(1e-9))];
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(Default::default()),
    ] {
        let bars = Bars::read(file(columns, compression, &groups).path()).unwrap();
        let bar = |opened: u64, [open, high, low, close]: [&str; 4], volume: Option<&str>| {
            let [open, high, low, close] = [open, high, low, close].map(decimal);
            Bar { opened, open, high, low, close, volume: volume.map(decimal) }
        };
        let expected = [
            bar(1_621_429_200, ["10", "12.3", "9.1", "11"], None),
            bar(1_621_429_260, ["11", "1000000", "0.001", "10.25"], Some("0.1")),
            bar(1_621_429_320, ["10", "12.3", "9.1", "11"], Some("0.000000001")),
            bar(1_621_429_380, ["11", "1000000", "0.001", "10.25"], Some("0.1")),
        ];
        assert_eq!(bars.bars(), expected, "{compression}");
        assert_eq!((bars.step_seconds(), bars.notes()), (60, &[][..]));
    }
}

#[test]
fn times_are_read_from_every_type() {
    let count = |units: i64| full::<Int64Type>(vec![OPENED * units, (OPENED + 60) * units]);
    let julian = |seconds: i64| {
        let mut time = Int96::new();
        let nanoseconds = u64::try_from(seconds % 86_400).unwrap() * 1_000_000_000;
        let (low, high) = (nanoseconds & u64::from(u32::MAX), nanoseconds >> 32);
        let day = u32::try_from(seconds / 86_400 + 2_440_588).unwrap();
        time.set_data(low.try_into().unwrap(), high.try_into().unwrap(), day);
        time
    };
    for (kind, times) in [
        ("int64 ts (TIMESTAMP(MILLIS,false))", count(1_000)),
        ("int64 ts (TIMESTAMP(MICROS,true))", count(1_000_000)),
        ("int64 ts (TIMESTAMP(NANOS,true))", count(1_000_000_000)),
        ("int64 ts (TIMESTAMP_MILLIS)", count(1_000)),
        ("int64 ts (TIMESTAMP_MICROS)", count(1_000_000)),
        ("int64 ts (INTEGER(64,false))", count(1)),
        ("int64 ts", count(1)),
        ("int64 ts", count(1_000)),
        ("int64 ts", count(1_000_000_000)),
        ("int32 ts (INTEGER(32,false))", full::<Int32Type>(vec![1_621_429_200, 1_621_429_260])),
        ("int96 ts", full::<Int96Type>(vec![julian(OPENED), julian(OPENED + 60)])),
        ("double ts", full::<DoubleType>(vec![1_621_429_200.0, 1_621_429_260.0])),
        ("double ts", full::<DoubleType>(vec![1_621_429_200e9, 1_621_429_260e9])),
        ("binary ts (STRING)", texts(&["2021-05-19T13:00:00Z", " 2021-05-19 13:01 "])),
        ("binary ts", texts(&["1621429200", "1621429260000"])),
    ] {
        let bars = bars(&format!("required {kind}; required double close;"), vec![times, prices()]).unwrap();
        let times: Vec<_> = bars.bars().iter().map(|bar| bar.opened).collect();
        assert_eq!(times, [1_621_429_200, 1_621_429_260], "{kind}");
    }
    let days = full::<Int32Type>(vec![18_766, 18_767]);
    let bars = bars("required int32 date (DATE); required double close;", vec![days, prices()]).unwrap();
    assert_eq!((bars.bars()[0].opened, bars.step_seconds()), (18_766 * 86_400, 86_400));
}

#[test]
fn prices_are_read_from_every_type() {
    let fixed = |values: [i128; 2]| {
        full::<FixedLenByteArrayType>(
            values.map(|value| FixedLenByteArray::from(value.to_be_bytes().to_vec())).to_vec(),
        )
    };
    let wide = |value: u8| {
        let mut bytes = vec![0; 20];
        bytes[19] = value;
        FixedLenByteArray::from(bytes)
    };
    let short = |values: [&[u8]; 2]| {
        full::<ByteArrayType>(values.map(|value| ByteArray::from(value.to_vec())).to_vec())
    };
    for (kind, values, expected) in [
        ("float close", full::<FloatType>(vec![0.1, 2_000.35]), ["0.1", "2000.35"]),
        ("double close", full::<DoubleType>(vec![0.1 + 0.2, 1e-7]), ["0.30000000000000004", "0.0000001"]),
        ("int64 close", full::<Int64Type>(vec![7, 2_000]), ["7", "2000"]),
        ("int64 close (INTEGER(64,false))", full::<Int64Type>(vec![-1, 1]), ["18446744073709551615", "1"]),
        ("int32 close (INTEGER(32,false))", full::<Int32Type>(vec![-1, 1]), ["4294967295", "1"]),
        ("int32 close (DECIMAL(9,2))", full::<Int32Type>(vec![12_345, 200]), ["123.45", "2"]),
        ("int64 close (DECIMAL(18,8))", full::<Int64Type>(vec![1, 150_000_000]), ["0.00000001", "1.5"]),
        (
            "fixed_len_byte_array(16) close (DECIMAL(38,18))",
            fixed([2_000_350_000_000_000_000_001, 10_i128.pow(37)]),
            ["2000.350000000000000001", "10000000000000000000"],
        ),
        (
            "fixed_len_byte_array(20) close (DECIMAL(40,1))",
            full::<FixedLenByteArrayType>(vec![wide(15), wide(20)]),
            ["1.5", "2"],
        ),
        ("binary close (DECIMAL(20,2))", short([&[1, 0], &[100]]), ["2.56", "1"]),
        ("binary close (STRING)", texts(&["1e-3", "2000.350"]), ["0.001", "2000.35"]),
    ] {
        let times = full::<Int64Type>(vec![OPENED, OPENED + 60]);
        let bars = bars(&format!("required int64 time; required {kind};"), vec![times, values]).unwrap();
        let closes: Vec<_> = bars.bars().iter().map(|bar| bar.close.to_string()).collect();
        assert_eq!(closes, expected, "{kind}");
    }
}

#[test]
fn faults_are_named_by_their_rows_over_all_groups() {
    let columns = "optional int64 ts (TIMESTAMP(MILLIS,true)); optional double close;";
    let group = |times: Vec<Option<i64>>, prices: Vec<Option<f64>>| {
        vec![partly::<Int64Type>(times), partly::<DoubleType>(prices)]
    };
    let groups = [
        group(vec![Some(0), None, Some(60_500)], vec![Some(1.0), Some(f64::NAN), None]),
        group(vec![Some(-1), Some(0)], vec![Some(f64::INFINITY), Some(1e-30)]),
        group(vec![Some(0), Some(60_000)], vec![Some(2.0), Some(-1.0)]),
    ];
    let file = file(columns, Compression::SNAPPY, &groups);
    let Err(BarsError::InFile { error, path }) = Bars::read(file.path()) else { panic!("it is read") };
    assert_eq!(path, file.path());
    assert_eq!(
        error.to_string(),
        "row 2 has no time; row 2 close `NaN` is no number: write it as 1234.5 or 1e-3; \
         row 3 time `60500 / 1000 s` is not at a whole second; row 3 has no close; \
         row 4 time `-1 / 1000 s` is none: write unix time or 2021-05-19T13:05:00Z; \
         row 4 close `inf` is no number: write it as 1234.5 or 1e-3; \
         row 5 close `0.000000000000000000000000000001` has too many digits: 28 are kept, as many of them after the \
         point; row 6 differs from row 1, which has the same time, 1970-01-01 00:00:00; row 7 close -1 is not above zero"
    );
}

#[test]
fn rows_are_sorted_and_told_like_those_of_text() {
    let times = full::<Int64Type>(vec![120, 0, 120, 300, 60]);
    let closes = full::<DoubleType>(vec![2.0, 1.0, 2.0, 3.0, 1.0]);
    let bars = bars("required int64 ts; required double price;", vec![times, closes]).unwrap();
    let opened: Vec<_> = bars.bars().iter().map(|bar| bar.opened).collect();
    assert_eq!(opened, [0, 60, 120, 300]);
    assert_eq!(
        bars.notes(),
        [
            Note::Sorted { rows: 2, first: Place::Row(2) },
            Note::Repeated { opened: 120, place: Place::Row(3), kept: Place::Row(1) },
            Note::Gap { from: 180, to: 300, missing: 2, before: Place::Row(4) },
        ]
    );
}

#[test]
fn columns_that_hold_no_time_and_no_number_are_refused_as_a_whole() {
    let times = || full::<Int64Type>(vec![0, 60]);
    let flags = full::<parquet::data_type::BoolType>(vec![true, false]);
    assert_eq!(
        wrong("required int64 ts; required boolean close;", vec![times(), flags]),
        "has a column close of type BOOLEAN, which is no time and no number"
    );
    assert_eq!(
        wrong("required int64 time (TIME(MICROS,true)); required double close;", vec![times(), prices()]),
        "has a column time of type INT64, which is no time and no number"
    );
    let coarse = full::<FloatType>(vec![1.6e9, 1.7e9]);
    assert_eq!(
        wrong("required float ts; required double close;", vec![coarse, prices()]),
        "has a column ts of type FLOAT, which is too coarse for a time: write it as a timestamp"
    );
    let within = "required int64 ts; required group prices { required double close; }";
    assert!(
        wrong(within, vec![times(), prices()])
            .starts_with("has no column for close (close, c, price); its columns are: ts")
    );
    let huge = full::<FixedLenByteArrayType>(vec![FixedLenByteArray::from(vec![1; 20]); 2]);
    assert_eq!(
        wrong(
            "required int64 ts; required fixed_len_byte_array(20) close (DECIMAL(40,1));",
            vec![times(), huge]
        ),
        "row 1 close `a decimal of more than 38 digits` is no number: write it as 1234.5 or 1e-3; \
         row 2 close `a decimal of more than 38 digits` is no number: write it as 1234.5 or 1e-3"
    );
}

#[test]
fn parquet_is_known_by_its_beginning_too_and_a_part_of_it_is_refused() {
    let times = full::<Int64Type>(vec![0, 60]);
    let whole =
        file("required int64 ts; required double close;", Compression::SNAPPY, &[vec![times, prices()]]);
    let bytes = fs::read(whole.path()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let unnamed = directory.path().join("prices");
    fs::write(&unnamed, &bytes).unwrap();
    assert_eq!(Bars::read(&unnamed).unwrap(), Bars::read(whole.path()).unwrap());
    let refused = |path: &Path| {
        let error = Bars::read(path).unwrap_err().to_string();
        assert!(error.contains(": cannot be read as Parquet: "), "{error}");
        assert!(error.ends_with("; if it is whole, write it again with snappy or as CSV"), "{error}");
    };
    for length in [4, 8, 40, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&unnamed, &bytes[..length]).unwrap();
        refused(&unnamed);
    }
    let text = directory.path().join("prices.PQ");
    fs::write(&text, "ts,close\n0,1\n60,1\n").unwrap();
    refused(&text);
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused() {
    let times = full::<Int64Type>(vec![0, 60]);
    let whole =
        file("required int64 ts; required double close;", Compression::SNAPPY, &[vec![times, prices()]]);
    let bytes = fs::read(whole.path()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let changed = directory.path().join("prices.parquet");
    let refused = (0..bytes.len())
        .flat_map(|at| [0x01, 0x02, 0x80, 0xff].map(|change| (at, change)))
        .filter(|&(at, change)| {
            let mut bytes = bytes.clone();
            bytes[at] ^= change;
            fs::write(&changed, bytes).unwrap();
            Bars::read(&changed).is_err()
        })
        .count();
    assert!(refused > bytes.len(), "{refused} of {}", bytes.len());
}
