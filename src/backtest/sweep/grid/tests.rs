use std::path::Path;

use super::*;

fn read(text: &str) -> Result<Grid, Vec<String>> {
    Grid::parse(Path::new("g.toml"), text).map_err(|error| match error {
        GridError::Mistakes(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        GridError::TooMany { .. } | GridError::Unreadable { .. } => vec![error.to_string()],
    })
}

fn values(grid: &Grid) -> Vec<(String, String)> {
    let of = |dimension: Dimension| (dimension.name, dimension.values.join("|"));
    grid.dimensions().into_iter().map(of).collect()
}

#[test]
fn keys_stand_in_the_order_of_the_file_and_may_have_dots_or_tables() {
    let grid = read(
        "capital = [\"100000\", 1_000_000]\n[setting]\n\"pools.depth\" = [\"5\"]\n\
         [policy]\nstrategy.multiplier = [\"2\", 3]\n\"gap.jump\" = [\"0.1\"]\n\
         trigger = [{ kind = \"economic\" }, { kind = \"interval\",  seconds = 86_400 }]\n\
         [policy.risk]\naversion = [1.5]\n[[period]]\nname = \"a\"\nstart = 2020-03-01\n\
         [[period]]\nname = \"b\"\nend = \"2020-03-12 10:00:00\"\nprices = \"b.csv\"\n",
    )
    .unwrap();
    let shown = [
        ("policy.strategy.multiplier", "2|3"),
        ("policy.gap.jump", "0.1"),
        ("policy.trigger", "{ kind = \"economic\" }|{ kind = \"interval\", seconds = 86_400 }"),
        ("policy.risk.aversion", "1.5"),
        ("setting.pools.depth", "5"),
        ("capital", "100000|1000000"),
        ("period", "a|b"),
    ];
    assert_eq!(values(&grid), shown.map(|(name, values)| (name.to_owned(), values.to_owned())));
    assert_eq!(grid.capitals(Decimal::ONE), [Decimal::from(100_000), Decimal::from(1_000_000)]);
    let [a, b] = grid.periods.as_slice() else { panic!("{:?}", grid.periods) };
    assert_eq!((a.start, a.end, &a.prices), (Some(1_583_020_800), None, &None));
    assert_eq!((b.start, b.end, &b.prices), (None, Some(1_584_007_200), &Some("b.csv".into())));
}

#[test]
fn a_range_has_both_its_ends_and_six_digits_or_whole_numbers_between() {
    let of = |range: &str| {
        let grid = read(&format!("policy.a = {range}")).unwrap();
        let choices = &grid.policy[0].values;
        let shown: Vec<&str> = choices.iter().map(|choice| choice.shown.as_str()).collect();
        (shown.join(" "), choices[1].text.clone())
    };
    let both = |shown: &str, text: &str| (shown.to_owned(), text.to_owned());
    assert_eq!(of("{ from = \"0\", to = \"1\", steps = 4 }"), both("0 0.333333 0.666667 1", "\"0.333333\""));
    assert_eq!(
        of("{ from = \"1\", to = \"100\", steps = 5, scale = \"log\" }"),
        both("1 3.16228 10 31.6228 100", "\"3.16228\"")
    );
    assert_eq!(of("{ from = 12, to = 3600, steps = 4, scale = \"log\" }"), both("12 80 538 3600", "80"));
    assert_eq!(of("{ from = \"5\", to = \"-1\", steps = 3, scale = \"linear\" }"), both("5 2 -1", "\"2\""));
}

#[test]
fn what_is_wrong_is_named_with_its_place_all_at_once() {
    let wrong = read(
        "polcy.a = [1]\n[policy]\na = []\nb = 5\nc = [\"2\", 2.0]\n\"d.e\" = [1]\nd = [2]\n\
         f = { from = 1, to = 2, steps = 5 }\ng = { from = \"0\", to = \"2\", steps = 5, scale = \"log\" }\n\
         h = { from = \"0\", steps = 1, scale = \"cubic\", by = 2 }\n\"i..j\" = [1]\n",
    )
    .unwrap_err();
    let expected = [
        "g.toml:1:1: polcy: unknown key; expected one of `policy`, `setting`, `capital`, `period`",
        "g.toml:3:5: policy.a: the list is empty; leave the key out where it does not vary",
        "g.toml:4:5: policy.b: expected a list of values, or a range such as { from = \"1\", to = \"100\", steps = 5, \
         scale = \"log\" }",
        "g.toml:5:11: policy.c: 2.0 stands twice in the list",
        "g.toml:7:1: policy.d: stands in `policy.d.e`, or that in it: leave one of the two out",
        "g.toml:8:5: policy.f: two of its 5 values are equal: write the ends in quotes for values that are not whole",
        "g.toml:9:5: policy.g: a log scale goes from above 0 to above 0",
        "g.toml:10:5: policy.h.to: expected a number",
        "g.toml:10:27: policy.h.steps: expected the number of values, from 2 to 1000",
        "g.toml:10:38: policy.h.scale: expected \"linear\" or \"log\"",
        "g.toml:10:47: policy.h.by: unknown key; expected one of `from`, `to`, `steps`, `scale`",
        "g.toml:11:1: policy.i..j: expected the path of a key, such as limits.max_trade or venues[0].pool",
    ];
    assert_eq!(wrong, expected);
    let wrong = read(
        "capital = [\"0\"]\n[[period]]\nname = \"a\"\nstart = 5\nend = 5\n[[period]]\nname = \"a\"\nend = \"noon\"\nto = 1\n\
         [[period]]\nstart = 2020-01-01\n",
    )
    .unwrap_err();
    assert_eq!(wrong.len(), 6, "{wrong:#?}");
    for (told, words) in wrong.iter().zip([
        "g.toml:1:12: capital: expected amounts from 1 to 1,000,000,000",
        "period[0]: expected an end after its start",
        "period[1]: two periods have the name a",
        "g.toml:8:7: period[1].end: expected a time in UTC",
        "g.toml:9:1: period[1].to: unknown key",
        "period[2].name: expected a name for the period",
    ]) {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn nothing_that_varies_no_toml_and_too_many_combinations_are_no_grid() {
    assert_eq!(
        read("# nothing").unwrap_err(),
        ["g.toml:1:1: it varies nothing; expected keys with values under [policy] or [setting]"]
    );
    assert!(
        read("[policy\n").unwrap_err()[0].starts_with("g.toml:1:8: not TOML: "),
        "{:?}",
        read("[policy\n")
    );
    let range = "{ from = 1, to = 1000, steps = 1000 }";
    let many = read(&format!("[policy]\na = {range}\nb = {range}\nc = [1, 2]")).unwrap_err();
    assert_eq!(
        many,
        [
            "g.toml: 2000000 combinations are more than 100000: give fewer values, or sweep a part of them at a time"
        ]
    );
}
