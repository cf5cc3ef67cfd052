//! Random numbers, all from the fleet's one seed.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for; each purpose of each device has its own, so that none disturbs another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Body,
    Clock,
    Network,
    Faults,
    Link,
}

/// The stream of random numbers of one purpose of the device called `name`: whoever else is in the fleet.
pub(crate) fn stream(seed: u64, name: &str, purpose: Purpose) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(u64::from(crc32c::crc32c(name.as_bytes())) << 8 | purpose as u64);
    random
}
