//! `keeper decide`: the paragraph, the table and the JSON, and what would be if.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/program.rs"]
mod program;

use program::{Ended, Place};
use serde_json::{Value, json};

/// `keeper decide` on the committed snapshot, with these arguments.
fn decided(arguments: &[&str]) -> Ended {
    let place = Place::empty();
    place.write("snapshot.json", include_str!("fixtures/snapshot.json"));
    place.write("policy.toml", include_str!("fixtures/policy.toml"));
    let given = ["decide", "--snapshot", "snapshot.json", "--policy", "policy.toml"];
    place.run(&[&given, arguments].concat())
}

#[test]
fn a_decision_is_explained_in_a_paragraph_with_its_table_and_as_json() {
    let ended = decided(&[]);
    let paragraph = "The vault holds 352.5 units worth 700646.62 at a price of 1987.65, and 301234.57 in cash: \
        1001881.19 in all. That is 196714.64 above its floor of 800000 once the exit is paid for (5166.56). At a \
        volatility of 66.6 % its strategy wants 296.905344 units, 58.9 % of all, so it holds 55.594656 units too many, \
        worth 110502.72. Gas for one trade costs 16.7; trading pays from a drift of 45.478 units on, and then goes back \
        to 17.0369. So it sells 38.557759 units for 76590.04. That is worth 26924.3 and costs 65.9821 with gas, fee and \
        impact. Why: waiting costs 19615 USD a year more than trading now; a trade brings 26924.3 and costs 65.9821.";
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.out.lines().next(), Some(paragraph));
    assert!(ended.out.contains("held / target (units)"), "{ended:?}");
    let json = decided(&["--json"]).json();
    assert_eq!((&json["explanation"], &json["verdict"]), (&json!(paragraph), &json!("rebalance")));
    assert_eq!(json["decision_hash"], include_str!("fixtures/decision_hash.txt").trim_end());
    assert_eq!(json.get("what_if"), None);
}

#[test]
fn a_trade_in_parts_says_what_is_left_and_why() {
    let place = Place::empty();
    place.write("snapshot.json", include_str!("fixtures/snapshot.json"));
    place.write("policy.toml", include_str!("../examples/policies/combined.toml"));
    let arguments = ["decide", "--snapshot", "snapshot.json", "--policy", "policy.toml", "--as-approved"];
    let ended = place.run(&arguments);
    let left = "So it sells 47.583827 units for 94516. That is worth 52641.2 and costs 80.687 with gas, fee and impact. \
        78.092267 units of drift are left to later trades: smaller ones cost less for each unit, and each is decided anew.";
    assert!(ended.code == 0 && ended.out.contains(left), "{ended:?}");
}

/// The committed snapshot with an option book, decided by the example's hedge with less vega allowed.
fn hedged(size: &str, arguments: &[&str]) -> Ended {
    let place = Place::empty();
    let mut snapshot: Value = serde_json::from_str(include_str!("fixtures/snapshot.json")).unwrap();
    let book = "0x00000000000000000000000000000000000b00c5";
    let expiry = |days: u64| {
        let now: u64 = snapshot["block"]["timestamp"].as_str().unwrap().parse().unwrap();
        (now + days * 86_400).to_string()
    };
    let leg = |id: &str, kind: &str, days: u64, size: &str| json!({"id": id, "kind": kind, "strike": "2000000000000000000000", "expiry": expiry(days), "size": size});
    let legs = json!([leg("1", "call", 30, size), leg("2", "put", 0, "-1000000000000000000")]);
    snapshot["options"] = json!({"address": book, "legs": legs});
    snapshot["vault"]["option_book"] = json!(book);
    snapshot["vault"]["epoch_open"] = json!(true);
    snapshot["vault"]["floor_policy"] = json!({"kind": "fixed", "share": "0.2"});
    let policy =
        include_str!("../examples/policies/delta-hedge.toml").replace("vega = \"60000\"", "vega = \"50000\"");
    place.write("snapshot.json", &snapshot.to_string());
    place.write("policy.toml", &policy);
    let given = ["decide", "--snapshot", "snapshot.json", "--policy", "policy.toml", "--as-approved"];
    place.run(&[&given, arguments].concat())
}

#[test]
fn a_hedge_is_explained_with_its_book_and_what_people_should_mind() {
    let ended = hedged("-650000000000000000000", &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let paragraph = "The vault holds 352.5 units worth 700646.62 at a price of 1987.65, and 301234.57 in cash: \
        1001881.19 in all. That is 196714.64 above its floor of 800000 once the exit is paid for (5166.56). Its option \
        book has 2 legs, worth -97266.06: a delta of -342.3810 units, a gamma of -0.663641 units per USD, a vega of \
        -1470.39 USD per vol point and a theta of 1680.12 USD per day. With the 352.5000 units held its delta is \
        10.1190, against a target of 0. At a volatility of 66.6 % its strategy wants 342.381039 units, 67.9 % of all, so \
        it holds 10.118961 units too many, worth 20112.95. Gas for one trade costs 16.7; trading pays from a drift of \
        42.056 units on, and then goes back to 15.0415. So it holds: the vega of the option book is -147039 USD per \
        1.00 of volatility, over the policy's bound of 50000. Mind that the gamma of the option book is -0.663641 units \
        per USD, over the policy's bound of 0.5. Mind that the theta of the option book is 613245 USD per year, over \
        the policy's bound of 400000. Mind that option leg 2 has expired: settle it by the feed's round that held at its \
        expiry, which anyone may.";
    assert_eq!(ended.out.lines().next(), Some(paragraph));
    for row in ["vega per vol point / theta per day (USD)", "alert", "(smile)", "expired"] {
        assert!(ended.out.contains(row), "{row}: {}", ended.out);
    }
    // Bought instead: what is held is sold, and the rest cannot be had.
    let short = hedged("650000000000000000000", &[]).out;
    for part in [
        "its strategy wants -342.381039 units",
        "So it sells ",
        "Mind that the hedge needs a short position of 342.381039 units, which the vault cannot borrow.",
    ] {
        assert!(short.contains(part), "{part}: {short}");
    }
    // So many written that they cost more than there is: what there is goes first.
    let long = hedged("-1350000000000000000000", &[]).out;
    for part in [
        "its strategy wants 649.89081 units, 128.9 % of all, so it holds 297.39081 units too few",
        "So it buys ",
        "Mind that the hedge needs 145.837686 units more than the vault can pay for, and it cannot borrow.",
    ] {
        assert!(long.contains(part), "{part}: {long}");
    }
}

#[test]
fn what_if_changes_a_fact_or_a_policy_value_and_shows_both() {
    let changed = |arguments: &[&str]| decided(&[&["--json"], arguments].concat()).json();
    let both = changed(&["--what-if", "gas=250", "--what-if", "risk.aversion=1"]);
    assert_eq!((&both["verdict"], &both["what_if"]["verdict"]), (&json!("rebalance"), &json!("hold")));
    assert_eq!(both["what_if"]["changes"], json!(["gas = 250", "risk.aversion = 1"]));
    assert_ne!(both["policy_hash"], both["what_if"]["policy_hash"]);
    let fallen = &changed(&["--what-if", "price=1500"])["what_if"];
    assert_eq!(fallen["reason"]["code"], "floor_at_risk");
    assert_eq!(
        (&fallen["appraisal"]["price"], &fallen["trade"]["sell_risky"]),
        (&json!("1500"), &json!(true))
    );
    let calm = changed(&["--what-if", "volatility=0.3"]);
    assert_eq!(calm["what_if"]["appraisal"]["volatility"], "3e-1");
    // The past moves with the price: as volatile as it was.
    let volatility =
        |printed: &Value| printed["appraisal"]["volatility"].as_str().unwrap().parse::<f64>().unwrap();
    assert!((volatility(fallen) - volatility(&calm)).abs() < 1e-9);
    let text = decided(&["--what-if", "price=1500"]).out;
    assert!(
        text.starts_with("As it is\n\nThe vault holds") && text.contains("\n\nWith price = 1500\n\n"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    for (asked, said) in [
        ("nothing=5", "nothing: unknown key; expected one of `name`, "),
        ("nothing=5", "a key is price (USD), gas (gwei), volatility, or the path of a value in the policy"),
        ("limits.max_trad=5", "limits.max_trad: unknown key; expected one of `max_trade`, "),
        ("limits=5", "limits: is a whole number; expected a table"),
        ("venues[7].pool=5", "venues[7].pool: the list has 1, numbered from 0"),
        ("venues[x].pool=5", "expected the path of a key, such as limits.max_trade"),
        ("price=1", "the snapshot does not know the pool at such a price"),
        ("price=-1", "expected a price"),
        ("gas=x", "expected a decimal number"),
        ("risk.aversion=80", "risk.aversion: expected a relative risk aversion from 1 to 20"),
        ("gas", "expected KEY=VALUE"),
    ] {
        let ended = decided(&["--what-if", asked]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{asked}: {ended:?}");
        assert!(ended.err.contains(said), "{asked}: {ended:?}");
    }
    // Twice is no change, and all that is wrong is said at once.
    for (one, other, said) in [
        ("price=1800", "price=1900", "--what-if price: is given twice"),
        ("risk.aversion=3", "risk.aversion=4", "--what-if risk.aversion: is given twice"),
        ("venues.0.tick_words=3", "venues[0].tick_words=4", "venues[0].tick_words is given twice"),
        ("volatility=1", "volatility.estimator.fallback=1", "volatility.estimator.fallback is given twice"),
        (
            "risk.aversion=80",
            "limits.max_trade=x",
            "risk.aversion: expected a relative risk aversion from 1 to 20",
        ),
        (
            "risk.aversion=80",
            "limits.max_slippage_bps=10001",
            "max_slippage_bps: expected 0 to 10000 basis points",
        ),
    ] {
        let ended = decided(&["--what-if", one, "--what-if", other]);
        assert_eq!(ended.code, 2, "{one} {other}: {ended:?}");
        assert!(ended.err.contains(said), "{one} {other}: {ended:?}");
    }
}

#[test]
fn what_if_sets_what_the_policy_leaves_at_its_default() {
    let changed = |asked: &str| decided(&["--json", "--what-if", asked]).json()["what_if"].clone();
    let as_it_is = decided(&["--json"]).json();
    // The default itself is no change, not even of the hash.
    for asked in ["gas.swap_units=115000", "execution.cost_margin=1", "execution.style={ kind = \"once\" }"] {
        assert_eq!(changed(asked)["policy_hash"], as_it_is["policy_hash"], "{asked}");
    }
    let dearer = changed("execution.cost_margin=1.2");
    let cost = |printed: &Value| printed["trade"]["cost"].as_str().unwrap().parse::<f64>().unwrap();
    assert!((cost(&dearer) - 1.2 * cost(&as_it_is)).abs() < 1e-9 * cost(&dearer), "{dearer}");
    assert_eq!(dearer.get("notes"), None);
    let group = changed("strategy={ kind = \"constant_weight\", weight = \"0.5\" }");
    assert_eq!(group["appraisal"]["target"].as_str().unwrap().parse::<f64>().unwrap().round(), 252.0);
}

#[test]
fn a_change_of_volatility_says_where_the_legs_do_not_follow_it() {
    let size = "-650000000000000000000";
    let note = "the option legs do not follow the volatility: theirs comes from the policy's smile, as it is";
    let asked = |key: &str| hedged(size, &["--json", "--what-if", key]).json();
    for key in ["volatility=0.9", "volatility.floor=0.9"] {
        assert_eq!(asked(key)["what_if"]["notes"], json!([note]), "{key}");
    }
    let delta = |printed: &Value| printed["appraisal"]["options"]["delta"].clone();
    let still = asked("volatility=0.9");
    assert_eq!(delta(&still), delta(&still["what_if"]));
    let text = hedged(size, &["--what-if", "volatility=0.9"]).out;
    assert!(
        text.contains(&format!("With volatility = 0.9\n\nMind that {note}.\n\nThe vault holds")),
        "{text}"
    );
    // Where the estimate prices them they do, and a change of the smile is one of the legs.
    let follows = hedged(
        size,
        &["--json", "--what-if", "strategy.implied={ kind = \"estimate\" }", "--what-if", "volatility=0.9"],
    );
    let follows = follows.json();
    assert_eq!(follows["what_if"].get("notes"), None);
    assert_ne!(delta(&follows), delta(&follows["what_if"]));
    let smile = asked("strategy.implied.expiries[1].points[2].volatility=0.69");
    assert_eq!(smile["what_if"].get("notes"), None);
    assert_ne!(delta(&smile), delta(&smile["what_if"]));
}
