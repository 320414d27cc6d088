//! The seed of every property test: a test run depends on the code alone, and a failure can be repeated.

use proptest::test_runner::{Config, RngSeed};

/// `SEGCTL_LAW_SEED` sets another seed, to repeat a run of fresh seeds.
pub(crate) fn config(cases: u32) -> Config {
    config_with_seed(cases, seed())
}

pub(crate) fn config_with_seed(cases: u32, seed: u64) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        // The seed repeats a failure, so that no file has to record it.
        failure_persistence: None,
        ..Config::default()
    }
}

pub(crate) fn seed() -> u64 {
    let seed = std::env::var("SEGCTL_LAW_SEED").ok();
    seed.map_or(FIXED_SEED, |seed| {
        seed.parse()
            .unwrap_or_else(|_| panic!("SEGCTL_LAW_SEED is not a number: {seed}"))
    })
}

const FIXED_SEED: u64 = 1;
