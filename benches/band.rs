//! Time to solve the no-trade band: goal 0.5 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use vault_keeper::domain::models::band::{Band, Costs, Drift};

fn solve(criterion: &mut Criterion) {
    let drift = Drift { variance_rate: 1.2, penalty: 38.0 };
    for (name, fixed, proportional) in
        [("gas and fee", 12.0, 1.6), ("fee alone", 0.0, 1.6), ("gas alone", 12.0, 0.0)]
    {
        let costs = Costs { fixed, proportional };
        criterion.bench_function(&format!("band/{name}"), |b| {
            b.iter(|| Band::solve(black_box(costs), black_box(drift)));
        });
    }
}

criterion_group!(benches, solve);
criterion_main!(benches);
