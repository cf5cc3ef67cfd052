//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one: a log of many segments and a crowd of devices need more than the 1,024 a shell
/// gives. Where that is not allowed, what is given has to do.
pub(super) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current < maximum || maximum.is_none() {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
}
