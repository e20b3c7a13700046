#![allow(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use proptest::prelude::*;

use super::*;

fn tip(number: u64) -> Tip {
    Tip { number, hash: hash(9), timestamp: number }
}

const fn hash(of: u8) -> B256 {
    B256::repeat_byte(of)
}

fn seen(number: u64, at: u8) -> Look {
    Look::Seen(tip(number), Some(hash(at)))
}

fn board(endpoints: usize) -> Board {
    Board::new(Rules::default(), vec![Ok(()); endpoints])
}

fn names(board: &Board) -> Vec<&'static str> {
    board.standings().iter().map(|standing| standing.state.name()).collect()
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn one_that_is_behind_is_out_and_returns_after_two_good_looks() {
    let mut board = board(3);
    let changes = board.look(at(1), 9, &[seen(10, 1), seen(10, 1), Look::Seen(tip(5), None)]);
    assert_eq!(changes, [Change { place: 2, from: "healthy", to: State::Lagging { blocks: 5 } }]);
    assert_eq!(board.look(at(2), 9, &[seen(10, 1), seen(10, 1), seen(10, 1)]), []);
    let back = board.look(at(3), 9, &[seen(10, 1), seen(10, 1), seen(10, 1)]);
    assert_eq!(back, [Change { place: 2, from: "lagging", to: State::Healthy }]);
    assert_eq!(board.standings()[2].since, at(3));
}

#[test]
fn of_two_that_differ_neither_is_believed_and_of_three_the_two() {
    let mut two = board(2);
    two.look(at(1), 9, &[seen(10, 1), seen(10, 2)]);
    assert_eq!(names(&two), ["disagreeing", "disagreeing"]);
    let mut three = board(3);
    three.look(at(1), 9, &[seen(10, 1), seen(10, 2), seen(10, 2)]);
    assert_eq!(names(&three), ["disagreeing", "healthy", "healthy"]);
    let mut split = board(3);
    split.look(at(1), 9, &[seen(10, 1), seen(10, 2), seen(10, 3)]);
    assert_eq!(names(&split), ["disagreeing"; 3]);
}

#[test]
fn a_height_that_nobody_else_has_makes_nobody_late() {
    let mut board = board(3);
    board.look(at(1), 9, &[seen(10, 1), seen(11, 1), seen(9_000_000, 1)]);
    assert_eq!(names(&board), ["healthy"; 3]);
    let tips = [Some(tip(10)), Some(tip(11)), Some(tip(9_000_000))];
    assert_eq!(board.common_height(&tips), Some(9));
}

#[test]
fn the_common_height_leaves_out_those_behind_and_those_that_lied() {
    let mut board = board(3);
    let tips = [Some(tip(3)), Some(tip(100)), Some(tip(99))];
    assert_eq!(board.common_height(&tips), Some(98));
    board.lied(2, Lie::WrongHash { returned: hash(1) }, at(1));
    assert_eq!(board.common_height(&tips), Some(99));
    assert_eq!(board.common_height(&[None; 3]), None);
    let one = Board::new(Rules::default(), vec![Ok(())]);
    assert_eq!(one.common_height(&[Some(tip(7))]), Some(7));
}

#[test]
fn failures_in_a_row_make_it_unreachable_and_one_answer_brings_it_back() {
    let mut board = board(1);
    let silent = [Look::Silent("it is down".to_owned())];
    assert_eq!(board.look(at(1), 0, &silent), []);
    assert_eq!(board.look(at(2), 0, &silent), []);
    let gone = State::Unreachable { reason: "it is down".to_owned() };
    assert_eq!(board.look(at(3), 0, &silent), [Change { place: 0, from: "healthy", to: gone }]);
    let back = board.look(at(4), 9, &[seen(10, 1)]);
    assert_eq!(back, [Change { place: 0, from: "unreachable", to: State::Healthy }]);
}

#[test]
fn a_liar_returns_after_its_quarantine_and_each_lie_doubles_it() {
    let mut board = board(2);
    let lie = || Lie::ForgedReceipt { transaction: hash(7) };
    assert_eq!(board.lied(0, lie(), at(100)).unwrap().to.name(), "quarantined");
    assert_eq!(board.standings()[0].returns_at, Some(at(700)));
    board.look(at(699), 9, &[seen(10, 1), seen(10, 1)]);
    assert_eq!(names(&board), ["quarantined", "healthy"]);
    let back = board.look(at(700), 9, &[seen(10, 1), seen(10, 1)]);
    assert_eq!(back, [Change { place: 0, from: "quarantined", to: State::Healthy }]);
    board.lied(0, lie(), at(1_000));
    assert_eq!(board.standings()[0].returns_at, Some(at(2_200)));
    // What it says against the others is no way back.
    board.look(at(2_300), 9, &[seen(10, 2), seen(10, 1)]);
    assert_eq!(names(&board), ["disagreeing", "healthy"]);
}

#[test]
fn another_chain_is_for_good() {
    let mut board = board(2);
    let changes = board.look(at(1), 9, &[Look::Foreign(5), seen(10, 1)]);
    assert_eq!(changes, [Change { place: 0, from: "healthy", to: State::Dropped { actual: 5 } }]);
    for second in 2..10 {
        assert_eq!(board.look(at(second), 9, &[seen(10, 1), seen(10, 1)]), []);
    }
    assert_eq!(names(&board), ["dropped", "healthy"]);
}

fn any_look() -> impl Strategy<Value = Look> {
    prop_oneof![
        1 => Just(Look::Silent("down".to_owned())),
        1 => Just(Look::Spared),
        1 => (2_u64..4).prop_map(Look::Foreign),
        9 => (0_u64..30, prop::option::of(0_u8..3))
            .prop_map(|(number, at)| Look::Seen(tip(number), at.map(hash))),
    ]
}

/// A look at all, or a lie of one.
#[derive(Debug, Clone)]
enum Event {
    Look(Vec<Look>),
    Lie(usize),
}

fn histories(endpoints: usize) -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        6 => prop::collection::vec(any_look(), endpoints).prop_map(Event::Look),
        1 => (0..endpoints).prop_map(Event::Lie),
    ];
    prop::collection::vec((1_u64..400, event), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn in_any_history_the_rules_hold(endpoints in 1_usize..5, steps in histories(4)) {
        let mut board = board(endpoints);
        let mut now = Duration::ZERO;
        for (pause, event) in steps {
            now += Duration::from_secs(pause);
            let before = board.clone();
            let changes = match event {
                Event::Look(mut looks) => {
                    looks.truncate(endpoints);
                    let changes = board.look(now, 7, &looks);
                    let numbers: Vec<u64> =
                        before.believed(&looks.iter().map(Look::tip).collect::<Vec<_>>()).map(|tip| tip.number).collect();
                    for (look, standing) in looks.iter().zip(board.standings()) {
                        // Whoever is late is not healthy after the look that shows it.
                        if let (Some(tip), Some(best)) = (look.tip(), best(&numbers)) {
                            prop_assert!(!standing.is_healthy() || best.saturating_sub(tip.number) <= 3);
                        }
                    }
                    changes
                }
                Event::Lie(place) => board.lied(place % endpoints, Lie::WrongHash { returned: hash(1) }, now).into_iter().collect(),
            };
            let mut told = changes.iter();
            for (place, (was, is)) in before.standings().iter().zip(board.standings()).enumerate() {
                let changed = was.state.name() != is.state.name();
                let dropped = matches!(was.state, State::Dropped { .. });
                prop_assert!(!dropped || was.state == is.state, "a dropped one came back");
                let quarantined = matches!(was.state, State::Quarantined(_)) && !matches!(is.state, State::Dropped { .. });
                let early = was.returns_at.is_some_and(|returns| now < returns);
                prop_assert!(!(quarantined && early) || matches!(is.state, State::Quarantined(_)), "a liar came back early");
                if changed {
                    let change = told.next().unwrap();
                    prop_assert_eq!((change.place, change.from, &change.to), (place, was.state.name(), &is.state));
                    prop_assert_eq!(is.since, now);
                }
            }
            prop_assert_eq!(told.next(), None, "what did not change was told");
        }
    }

    #[test]
    fn one_liar_of_three_never_bars_the_honest_and_is_never_believed(
        number in 10_u64..20, ahead in 0_u64..2, lie in any_look(), liar in 0_usize..3
    ) {
        let mut board = board(3);
        let mut looks = vec![seen(number, 0), seen(number + ahead, 0)];
        looks.insert(liar, lie.clone());
        board.look(at(1), 9, &looks);
        for (place, standing) in board.standings().iter().enumerate() {
            if place == liar {
                prop_assert!(!standing.is_healthy() || lie.hash().is_none_or(|said| said == hash(0)));
            } else {
                prop_assert!(standing.is_healthy(), "{:?}", standing.state);
            }
        }
    }

    #[test]
    fn who_has_the_majority_has_more_than_half(votes in prop::collection::vec(0_u8..4, 0..9)) {
        let hashes: Vec<B256> = votes.iter().map(|vote| hash(*vote)).collect();
        let of = |hash| hashes.iter().filter(|vote| **vote == hash).count();
        match majority(hashes.iter().copied()) {
            Some(winner) => prop_assert!(of(winner) * 2 > hashes.len()),
            None => prop_assert!(hashes.iter().all(|vote| of(*vote) * 2 <= hashes.len())),
        }
    }
}
