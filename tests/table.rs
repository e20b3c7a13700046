//! Result tables: what is written is what is read back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::fs;

use parquet::basic::{LogicalType, Repetition, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use vault_keeper::backtest::table::{Files, Table, Values};

const REALS: [Option<f64>; 8] = [
    Some(0.1),
    Some(-0.0),
    Some(1e300),
    Some(5e-324),
    None,
    Some(f64::NEG_INFINITY),
    Some(0.300_000_000_000_000_04),
    Some(123_456_789.0),
];
const COUNTS: [Option<u64>; 8] = [Some(0), Some(u64::MAX), None, Some(1), Some(2), Some(3), Some(4), None];
const INTEGERS: [Option<i64>; 8] =
    [Some(i64::MIN), Some(i64::MAX), None, Some(-1), Some(0), None, None, Some(7)];
const TEXTS: [Option<&str>; 8] = [
    Some("plain"),
    Some("a, \"b\""),
    None,
    Some("two\nlines"),
    Some("1e3"),
    Some("ümläut"),
    Some(" "),
    Some("true"),
];
const FLAGS: [Option<bool>; 8] =
    [Some(true), Some(false), None, Some(true), Some(true), None, Some(false), Some(false)];

fn table() -> Table {
    Table::of([
        ("cost_usd", Values::reals(REALS)),
        ("trades", Values::counts(COUNTS)),
        ("offset", Values::integers(INTEGERS)),
        ("kind, with comma", Values::texts(TEXTS.map(|text| text.map(str::to_owned)))),
        ("in_reach", Values::flags(FLAGS)),
    ])
    .unwrap()
}

fn parsed<T: std::str::FromStr>(field: &str) -> Option<T> {
    (!field.is_empty()).then(|| field.parse().ok().unwrap())
}

#[test]
fn a_table_of_text_reads_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.csv");
    table().write(&path).unwrap();
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let names = ["cost_usd", "trades", "offset", "kind, with comma", "in_reach"];
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(names.to_vec()));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), table().rows()), (8, 8));
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(parsed::<f64>(&row[0]).map(f64::to_bits), REALS[number].map(f64::to_bits));
        assert_eq!(parsed(&row[1]), COUNTS[number]);
        assert_eq!(parsed(&row[2]), INTEGERS[number]);
        assert_eq!(row[3], *TEXTS[number].unwrap_or_default());
        assert_eq!(parsed(&row[4]), FLAGS[number]);
    }
    assert_eq!(rows[2].iter().collect::<Vec<_>>(), ["1e300", "", "", "", ""]);
}

/// The values of a row, by the field of each.
fn fields(row: &Row) -> Vec<Field> {
    row.get_column_iter().map(|(_, field)| field.clone()).collect()
}

fn or_null<T>(value: Option<T>, field: impl Fn(T) -> Field) -> Field {
    value.map_or(Field::Null, field)
}

#[test]
fn a_table_of_parquet_has_the_same_names_types_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.Parquet");
    table().write(&path).unwrap();
    let file = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let schema = file.metadata().file_metadata().schema_descr();
    let columns: Vec<_> = schema
        .columns()
        .iter()
        .map(|column| (column.name(), column.physical_type(), column.logical_type_ref().cloned()))
        .collect();
    let expected = [
        ("cost_usd", Type::DOUBLE, None),
        ("trades", Type::INT64, Some(LogicalType::integer(64, false))),
        ("offset", Type::INT64, Some(LogicalType::integer(64, true))),
        ("kind, with comma", Type::BYTE_ARRAY, Some(LogicalType::String)),
        ("in_reach", Type::BOOLEAN, None),
    ];
    assert_eq!(columns, expected);
    let optional = |column: &parquet::schema::types::ColumnDescPtr| {
        column.self_type().get_basic_info().repetition() == Repetition::OPTIONAL
    };
    assert!(schema.columns().iter().all(optional));
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(|row| fields(&row.unwrap())).collect();
    assert_eq!(rows.len(), 8);
    for (number, row) in rows.iter().enumerate() {
        let expected = [
            or_null(REALS[number], Field::Double),
            or_null(COUNTS[number], Field::ULong),
            or_null(INTEGERS[number], Field::Long),
            or_null(TEXTS[number], |text| Field::Str(text.to_owned())),
            or_null(FLAGS[number], Field::Bool),
        ];
        assert_eq!(row[..], expected);
    }
}

#[test]
fn a_number_that_is_none_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nan.csv");
    Table::of([("x", Values::reals([f64::NAN, f64::INFINITY]))]).unwrap().write(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "x\nNaN\ninf\n");
}

#[test]
fn a_table_takes_the_place_of_a_file_and_leaves_nothing_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.csv");
    fs::write(&path, "old").unwrap();
    table().write(&path).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("cost_usd,"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_table_may_be_read_by_whom_any_new_file_may_be() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let [table_path, other] = ["results.csv", "other"].map(|name| directory.path().join(name));
    table().write(&table_path).unwrap();
    fs::write(&other, "").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&table_path), mode(&other));
}

#[test]
fn where_a_table_cannot_be_written_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    // A directory that is not empty cannot be replaced by a file.
    let path = directory.path().join("taken.csv");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("kept"), "").unwrap();
    let error = table().write(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} cannot be written: ", path.display())), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    let nowhere = table().write("/nowhere/results.csv".as_ref()).unwrap_err().to_string();
    assert!(nowhere.starts_with("/nowhere/results.csv cannot be written: "), "{nowhere}");
}

#[test]
fn several_files_take_their_places_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, stale] = ["a.csv", "b.csv", "c.csv"].map(|name| directory.path().join(name));
    fs::write(&first, "old").unwrap();
    fs::write(&stale, "of another run").unwrap();
    fs::create_dir(&second).unwrap();
    let files = || {
        let mut files = Files::default();
        files.table(&first, &table()).unwrap();
        files.text(&second, "new").unwrap();
        files.absent(&stale);
        files
    };
    let error = files().put().unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} cannot be written: ", second.display())), "{error}");
    assert_eq!(
        (fs::read_to_string(&first).unwrap().as_str(), fs::read_dir(&directory).unwrap().count()),
        ("old", 3)
    );
    fs::remove_dir(&second).unwrap();
    files().put().unwrap();
    assert_eq!(fs::read_to_string(&second).unwrap(), "new");
    assert!(!stale.exists() && fs::read_to_string(&first).unwrap() != "old");
    // What is not there need not go.
    files().put().unwrap();
}

#[test]
fn columns_have_one_length_and_names_of_their_own() {
    let one = || Values::counts([1]);
    let wrong = |columns: Vec<(&str, Values)>| Table::of(columns).unwrap_err().to_string();
    assert_eq!(wrong(vec![("a", one()), ("a", one())]), "the table has two columns a");
    assert_eq!(wrong(vec![("a", one()), ("", one())]), "column 2 of the table has no name");
    assert_eq!(
        wrong(vec![("a", one()), ("b", Values::flags([true, false]))]),
        "column b of the table has 2 rows, those before it 1"
    );
}

#[test]
fn what_a_killed_run_has_left_is_removed_and_what_another_run_writes_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let names = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    // Left by a run that is no more, written by one that is, and two that are none of them.
    for name in [".keeper-left.part", ".keeper-held.part", ".keeper-notes", ".other.part"] {
        fs::write(at(name), "half").unwrap();
    }
    let other = fs::File::options().write(true).open(at(".keeper-held.part")).unwrap();
    other.lock().unwrap();
    let mut files = Files::default();
    files.text(&at("report.html"), "whole").unwrap();
    files.table(&at("figures.csv"), &table()).unwrap();
    // Both of its own are under way, by names that the next run would know.
    let own = names().into_iter().filter(|name| name.starts_with(".keeper-") && name.ends_with(".part"));
    assert_eq!(own.count(), 3);
    files.put().unwrap();
    assert_eq!(names(), [".keeper-held.part", ".keeper-notes", ".other.part", "figures.csv", "report.html"]);
    drop(other);
    table().write(&at("figures.csv")).unwrap();
    assert_eq!(names(), [".keeper-notes", ".other.part", "figures.csv", "report.html"]);
}
