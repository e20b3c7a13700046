//! Random numbers that are the same on every platform and for every number of threads: one stream per path.

use core::f64::consts::PI;

/// The generator xoshiro256++ (Blackman and Vigna 2021), its state filled by SplitMix64 (Steele, Lea and Flood 2014).
///
/// A stream depends on its seed and number alone, so paths can be generated in any order.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
    /// The second of a pair of normal numbers.
    spare: Option<f64>,
}

/// 2^−53.
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

impl Random {
    /// The stream of this number under `seed`.
    #[must_use]
    pub const fn stream(seed: u64, number: u64) -> Self {
        let mut counter = split_mix(seed).0 ^ split_mix(number ^ 0x6A09_E667_F3BC_C908).0;
        let mut state = [0; 4];
        let [a, b, c, d] = &mut state;
        (*a, counter) = split_mix(counter);
        (*b, counter) = split_mix(counter);
        (*c, counter) = split_mix(counter);
        (*d, _) = split_mix(counter);
        Self { state, spare: None }
    }

    /// Any 64 bits.
    pub const fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in (0, 1): the middle of one of 2^53 equal parts.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub const fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * UNIT
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        let angle = 2.0 * PI * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Number of events of a Poisson process with `mean` of them (Knuth 1969: products of uniform numbers).
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean);
        let (mut count, mut product) = (0_u32, self.uniform());
        while product > limit {
            count = count.saturating_add(1);
            product *= self.uniform();
        }
        count
    }

    /// Uniform among `0..count`; 0 where `count` is 0. The bias of at most `count`/2^64 is beyond any sample.
    pub const fn below(&mut self, count: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the upper half is below `count`")]
        let chosen = ((self.bits() as u128).wrapping_mul(count as u128) >> 64) as usize;
        chosen
    }
}

/// A mixed output and the next counter.
const fn split_mix(counter: u64) -> (u64, u64) {
    let next = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31), next)
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "test arithmetic within known bounds")]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_published_generator() {
        // The first outputs of xoshiro256++ from the state 1, 2, 3, 4, as its authors' code gives them.
        let mut random = Random { state: [1, 2, 3, 4], spare: None };
        let first: Vec<u64> = (0..4).map(|_| random.bits()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
        assert_eq!(split_mix(1_234_567).0, 6_457_827_717_110_365_317);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, number| Random::stream(seed, number).bits();
        assert_eq!(first(1, 2), first(1, 2));
        let all = [first(1, 2), first(2, 1), first(1, 3), first(0, 0), first(3, 2)];
        let distinct: std::collections::BTreeSet<u64> = all.into();
        assert_eq!(distinct.len(), 5);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::stream(7, 0);
        let count = 200_000;
        let normals: Vec<f64> = (0..count).map(|_| random.normal()).collect();
        let n = f64::from(count);
        let moment = |power: i32| normals.iter().map(|x| x.powi(power)).sum::<f64>() / n;
        // Three standard errors: of the mean 1/√n, of the square √2/√n, of the fourth power √96/√n.
        assert!(moment(1).abs() < 3.0 / n.sqrt());
        assert!((moment(2) - 1.0).abs() < 3.0 * (2.0 / n).sqrt());
        assert!((moment(4) - 3.0).abs() < 3.0 * (96.0 / n).sqrt());
        let jumps = (0..count).map(|_| f64::from(random.poisson(0.3))).sum::<f64>() / n;
        assert!((jumps - 0.3).abs() < 3.0 * (0.3 / n).sqrt());
        let chosen = (0..count).map(|_| random.below(10) as f64).sum::<f64>() / n;
        assert!((chosen - 4.5).abs() < 3.0 * (8.25 / n).sqrt());
    }

    #[test]
    fn nothing_is_chosen_among_none() {
        assert_eq!(Random::stream(1, 1).below(0), 0);
        assert!((0..1_000).all(|number| Random::stream(3, number).below(3) < 3));
    }
}
