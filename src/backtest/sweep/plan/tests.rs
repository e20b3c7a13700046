use std::path::Path;

use super::*;
use crate::config::load_policy;
use crate::domain::policy::StrategyPolicy;

fn plan(text: &str) -> Result<Plan, Vec<String>> {
    let published = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    let setting = Setting::default();
    let grid = Grid::parse(Path::new("g.toml"), text).unwrap();
    let base = Base { policy: published.policy(), setting: &setting, capital: Decimal::from(1_000) };
    let (documents, made) = (grid.documents(), std::cell::RefCell::new(Vec::new()));
    let plan = Plan::of(grid, base, || made.borrow_mut().push(()));
    assert_eq!(made.borrow().len(), documents);
    plan.map_err(|error| match error {
        GridError::Mistakes(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        GridError::TooMany { .. } | GridError::Unreadable { .. } => vec![error.to_string()],
    })
}

#[test]
fn every_combination_is_made_once_and_the_last_dimension_changes_fastest() {
    let plan = plan(
        "capital = [1, 2]\n[policy]\nstrategy.multiplier = [\"2\", 3]\nlimits.max_slippage_bps = [50, 100]\n\
         [setting]\npools.depth = [\"5\", 6]\nkeeper.inclusion_seconds = [12, 24, 36]\n\
         [[period]]\nname = \"a\"\n[[period]]\nname = \"b\"\n",
    )
    .unwrap();
    assert_eq!((plan.cells(), plan.worlds()), (2 * 2 * 2 * 3 * 2 * 2, 2 * 3 * 2 * 2));
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..plan.cells() {
        let places = plan.places(number);
        let cell = plan.cell(number).unwrap();
        let policy = cell.policy.policy();
        let of = |values: &[u64], at: usize| Decimal::from(values[places[at]]);
        let StrategyPolicy::Cppi { multiplier, .. } = &policy.strategy else { panic!("{policy:?}") };
        let multiplier = multiplier.get();
        assert_eq!(multiplier, of(&[2, 3], 0));
        assert_eq!(Decimal::from(policy.limits.max_slippage_bps), of(&[50, 100], 1));
        assert_eq!(cell.setting.pools.depth, of(&[5, 6], 2));
        assert_eq!(Decimal::from(cell.setting.keeper.inclusion_seconds), of(&[12, 24, 36], 3));
        assert_eq!((cell.capital, cell.period), (of(&[1, 2], 4), places[5]));
        assert!(seen.insert(places));
    }
    assert!(plan.cell(plan.cells()).is_err());
    let first: Vec<_> = (0..4).map(|number| plan.places(number)).collect();
    assert_eq!(first, [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1]]);
}

#[test]
fn a_value_that_fits_into_no_combination_is_a_mistake_at_its_place() {
    let wrong = plan(
        "[policy]\nlimits.max_trad = [1]\nstrategy.multiplier = [\"2\", \"0.5\", \"x\"]\ntrigger.kind = [\"sometimes\"]\n\
         [setting]\npools.deep = [1]\npools.fee_pips = [500, 200_000]\n",
    )
    .unwrap_err();
    let starts = [
        "g.toml:2:20: policy.limits.max_trad: 1 does not fit: ",
        "g.toml:3:29: policy.strategy.multiplier: 0.5 does not fit: ",
        "g.toml:3:36: policy.strategy.multiplier: x does not fit: ",
        "g.toml:4:17: policy.trigger.kind: sometimes does not fit: ",
        "g.toml:6:15: setting.pools.deep: 1 does not fit: unknown field `deep`",
        "g.toml:7:24: setting.pools.fee_pips: 200000 does not fit: ",
    ];
    assert_eq!(wrong.len(), starts.len(), "{wrong:#?}");
    for (told, start) in wrong.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
}

#[test]
fn what_fits_into_some_combinations_alone_is_impossible_in_the_others_with_the_reason() {
    let plan = plan(
        "[policy]\nlimits.min_trade = [\"100\", \"2000000\"]\nlimits.max_trade = [\"1000000\", \"3000000\"]\n\
         [setting]\npools.concentrated.within_bps = [100, 200]\npools.concentrated.beyond = [\"0.1\"]\n",
    )
    .unwrap();
    let impossible: Vec<(usize, String)> = (0..plan.cells())
        .filter_map(|number| plan.cell(number).err().map(|unfit| (number, unfit.to_string())))
        .collect();
    let numbers: Vec<usize> = impossible.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [4, 5]);
    assert!(impossible[0].1.starts_with("limits."), "{impossible:?}");
}

#[test]
fn a_value_that_needs_another_key_is_told_what_is_missing() {
    let wrong = plan("[setting]\npools.concentrated.within_bps = [100, 200]\n").unwrap_err();
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].contains("missing field `beyond`"), "{wrong:?}");
    let both =
        "[setting]\npools.concentrated.within_bps = [10, 200]\npools.concentrated.beyond = [\"0.1\"]\n";
    let wrong = plan(both).unwrap_err();
    let told = "g.toml:2:34: setting.pools.concentrated.within_bps: 10 does not fit: pools.concentrated.within_bps: \
                expected 50 to 9000";
    assert_eq!(wrong, [told]);
}
