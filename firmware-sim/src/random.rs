//! Random numbers, all from the fleet's one seed.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for; each purpose of each device has its own, so that none disturbs another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Body,
    Clock,
    Network,
}

/// The stream of random numbers of one purpose of device `index`.
pub(crate) fn stream(seed: u64, index: usize, purpose: Purpose) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(index as u64 * 3 + purpose as u64);
    random
}
