//! All faults together: a keeper with three endpoints before a market that moves, reorganisations, failing and lying nodes,
//! an empty account and `kill -9`, in an order that a seed decides. What must hold is asked all the time and at the end.
//!
//! `scripts/soak --minutes N --seed S` runs it for longer than the few seconds that it takes among the other tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test fails where it stands"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "soak/world.rs"]
mod world;

use std::time::{Duration, Instant};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use world::{FINALITY, Lie, World};

/// What happens in a step.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Market,
    Mine,
    BaseFee,
    Reorganise,
    Shrink,
    Lose,
    Fail,
    Lie(Lie),
    Heal,
    Drain,
    Refill,
    Kill,
}

/// Deeds and how often each happens, relative to the others.
const DEEDS: [(u64, Deed); 15] = [
    (30, Deed::Market),
    (60, Deed::Mine),
    (4, Deed::BaseFee),
    (6, Deed::Reorganise),
    (3, Deed::Shrink),
    (6, Deed::Lose),
    (12, Deed::Fail),
    (3, Deed::Lie(Lie::WrongHash)),
    (3, Deed::Lie(Lie::ForgedReceipt)),
    (3, Deed::Lie(Lie::NoReceipts)),
    (3, Deed::Lie(Lie::AlreadyKnown)),
    (24, Deed::Heal),
    (2, Deed::Drain),
    (4, Deed::Refill),
    (5, Deed::Kill),
];

struct Dice(TestRng);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    fn deed(&mut self) -> Deed {
        let all: u64 = DEEDS.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(all);
        for (weight, deed) in DEEDS {
            if left < weight {
                return deed;
            }
            left -= weight;
        }
        Deed::Mine
    }
}

/// A number that `scripts/soak` gives.
#[expect(clippy::disallowed_methods, reason = "parameters of a test, not of the keeper")]
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test]
async fn fault_56_all_of_them_together() {
    let (seconds, seed) =
        (given("KEEPER_SOAK_SECONDS").unwrap_or(10), given("KEEPER_SOAK_SEED").unwrap_or(1));
    let (mut world, mut dice) = (World::set(seed % 2 == 1).await, Dice::new(seed));
    let (began, mut steps) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        let deed = dice.deed();
        step(&mut world, &mut dice, deed).await;
        steps += 1;
        if steps.is_multiple_of(10) {
            world.assert_sound(&format!("seed {seed}, step {steps}, {deed:?}")).await;
        }
    }
    world.come_to_rest().await;
    world.assert_sound(&format!("seed {seed}, at the end")).await;
    let summary = world.assert_settled(&format!("seed {seed}, at the end")).await;
    println!("seed {seed}: {steps} steps in {seconds} s, {summary}");
}

async fn step(world: &mut World, dice: &mut Dice, deed: Deed) {
    match deed {
        Deed::Market => world.trade(dice.below(9)).await,
        Deed::Mine => world.mine().await,
        Deed::BaseFee => world.base_fee(5 + dice.below(200)).await,
        Deed::Reorganise => world.reorganise(1 + dice.below(FINALITY)).await,
        Deed::Shrink => world.shrink(1 + dice.below(FINALITY)).await,
        Deed::Lose => world.lose().await,
        Deed::Fail => world.fail(dice.below(3), dice.below(7)),
        Deed::Lie(lie) => world.lie(lie),
        Deed::Heal => world.heal(dice.below(3)),
        Deed::Drain => world.balance(0).await,
        Deed::Refill => world.balance(1_000).await,
        Deed::Kill => world.kill().await,
    }
    world.supervise();
    tokio::time::sleep(Duration::from_millis(20 + dice.below(40))).await;
}
