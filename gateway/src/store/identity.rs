//! What tells one data folder's log from any other that may carry the same gateway's name. Offsets recur when an older
//! backup is restored, so a restored folder goes on under a new identity: records of earlier starts keep the one they
//! were written under, and no message id ever names two messages.
//!
//! The file has a line per identity, `<first start epoch> <identity>`, oldest first; a file with one bare identity was
//! written before there were backups and holds from the first start on.
//!
//! A new log's first identity follows from the salt of its first segment, which is durable before its first record: so
//! nothing waits for the file, and whoever finds none comes to the same identity. The file is there before that segment
//! may go ([`super::retention`]).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::config::LOG_FOLDER;
use super::fs::{Disk, Fs};
use super::segment;
use crate::record::StartEpoch;

/// File of a data folder.
pub const IDENTITY_FILE: &str = "identity";

/// Longest identity file that is believed; a line is 20 bytes, and a restore adds one.
const BYTES_MAX: usize = 64 << 10;

/// The identities of a data folder, by the start epochs they hold for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identities {
    first: String,
    /// Ascending epochs from which another one holds.
    later: Vec<(StartEpoch, String)>,
}

impl Identities {
    /// A single identity, for every epoch.
    pub fn one(identity: impl Into<String>) -> Self {
        Self { first: identity.into(), later: Vec::new() }
    }

    /// The identities of a data folder: those of its file, else that of its log. A folder without a log is given one,
    /// durably.
    ///
    /// # Errors
    /// What the system said; [`io::ErrorKind::InvalidData`] when the file cannot be understood.
    pub fn of_folder(data_dir: &Path) -> io::Result<Self> {
        if let Some(written) = Self::written(data_dir)? {
            return Ok(written);
        }
        if let Some(salt) = segment::first_salt(&Disk, &data_dir.join(LOG_FOLDER))? {
            return Ok(Self::one(of_salt(salt)));
        }
        let new = Self::one(draw());
        new.write(data_dir)?;
        Ok(new)
    }

    /// What stands in a data folder's file; `None` without one.
    fn written(data_dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read_to_string(data_dir.join(IDENTITY_FILE)) {
            Ok(text) if !text.trim().is_empty() => Self::parse(&text).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sees to it that a data folder has a file, from where on its log's first segment is not needed for it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn keep(&self, data_dir: &Path) -> io::Result<()> {
        if Self::written(data_dir)?.is_some() { Ok(()) } else { self.write(data_dir) }
    }

    /// Reads the text of an identity file.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`], saying which line is not understood.
    pub fn parse(text: &str) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        if text.len() > BYTES_MAX {
            return Err(invalid(format!("identity file has {} bytes, wanted at most {BYTES_MAX}", text.len())));
        }
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default();
        let first = match read_line(first) {
            Some((_, identity)) => identity,
            None if is_identity(first.trim()) => first.trim(),
            None => return Err(invalid(format!("identity {first:?}, wanted `epoch identity`"))),
        };
        let mut identities = Self::one(first);
        for line in lines {
            let last = identities.later.last().map_or(StartEpoch(0), |(from, _)| *from);
            match read_line(line).filter(|(from, _)| *from > last) {
                Some((from, identity)) => identities.later.push((from, identity.to_owned())),
                None => return Err(invalid(format!("identity {line:?}, wanted `epoch identity`, epochs ascending"))),
            }
        }
        Ok(identities)
    }

    /// The identity that records of this start epoch were written under.
    pub fn of(&self, epoch: StartEpoch) -> &str {
        let after = self.later.partition_point(|(from, _)| *from <= epoch);
        let later = after.checked_sub(1).and_then(|at| self.later.get(at));
        later.map_or(&self.first, |(_, identity)| identity)
    }

    /// The newest one.
    pub fn current(&self) -> &str {
        self.later.last().map_or(&self.first, |(_, identity)| identity)
    }

    /// From start epoch `from` on another, new one holds; what was foreseen for later epochs is dropped.
    pub(crate) fn renew(&mut self, from: StartEpoch) {
        self.later.retain(|(epoch, _)| *epoch < from);
        self.later.push((from, draw()));
    }

    /// The same with `<gateway>.` before each: what message ids begin with.
    #[must_use]
    pub fn named(&self, gateway: &str) -> Self {
        let named = |identity: &String| format!("{gateway}.{identity}");
        let later = self.later.iter().map(|(from, identity)| (*from, named(identity))).collect();
        Self { first: named(&self.first), later }
    }

    /// The text of an identity file.
    pub fn text(&self) -> String {
        let later = self.later.iter().map(|(from, identity)| format!("{} {identity}\n", from.0));
        format!("0 {}\n{}", self.first, later.collect::<String>())
    }

    /// Replaces a data folder's identity file, durably.
    ///
    /// # Errors
    /// What the system said; the file is as before.
    pub(crate) fn write(&self, data_dir: &Path) -> io::Result<()> {
        let path = data_dir.join(IDENTITY_FILE);
        let unfinished = path.with_extension("new");
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(self.text().as_bytes()).and_then(|()| file.sync_all())?;
        std::fs::rename(&unfinished, &path).and_then(|()| Disk.sync_dir(data_dir))
    }
}

/// One way only: message ids go out, and salts must not.
fn of_salt(salt: u64) -> String {
    let digest = Sha256::new().chain_update(b"identity of a log").chain_update(salt.to_le_bytes()).finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn draw() -> String {
    format!("{:08x}", RandomState::new().build_hasher().finish() >> 32)
}

fn read_line(line: &str) -> Option<(StartEpoch, &str)> {
    let (epoch, identity) = line.trim().split_once(' ')?;
    is_identity(identity).then_some((StartEpoch(epoch.parse().ok()?), identity))
}

/// It becomes a part of message ids.
fn is_identity(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Body, GatewayTime};
    use crate::store::{Log, Options};

    #[test]
    fn a_bare_identity_holds_for_every_epoch() {
        let old = Identities::parse("0badcafe\n").unwrap();
        assert_eq!((old.of(StartEpoch(1)), old.of(StartEpoch(u32::MAX))), ("0badcafe", "0badcafe"));
        assert_eq!(old.text(), "0 0badcafe\n");
    }

    #[test]
    fn records_of_earlier_starts_keep_their_identity() {
        let mut identities = Identities::parse("0 aa\n5 bb\n").unwrap();
        let at = |identities: &Identities, epoch| identities.of(StartEpoch(epoch)).to_owned();
        assert_eq!([0, 4, 5, 9].map(|epoch| at(&identities, epoch)), ["aa", "aa", "bb", "bb"]);
        identities.renew(StartEpoch(8));
        assert_eq!([4, 7].map(|epoch| at(&identities, epoch)), ["aa", "bb"]);
        assert!(at(&identities, 8) != "bb" && at(&identities, 8) == identities.current());
        assert_eq!(Identities::parse(&identities.text()).unwrap(), identities);
        assert_eq!(identities.named("gw").of(StartEpoch(1)), "gw.aa");
    }

    fn log_of(data: &Path) -> Log<Disk> {
        Log::open(Disk, &data.join(LOG_FOLDER), Options { background: false, ..Options::default() }).unwrap().0
    }

    /// The file of a folder's first start is written only after a while; until then messages have gone out.
    #[test]
    fn a_log_without_a_file_has_the_same_identity_after_every_start_and_another_log_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut log = log_of(one.path());
        let first = Identities::of_folder(one.path()).unwrap();
        log.push(&Body::Tick.into(), GatewayTime::default()).unwrap();
        log.commit().unwrap();
        drop(log);
        let log = log_of(one.path());
        assert_eq!((log.epoch(), &Identities::of_folder(one.path()).unwrap()), (StartEpoch(2), &first));
        assert!(!one.path().join(IDENTITY_FILE).exists(), "the log stands for it");
        let _other = log_of(other.path());
        assert_ne!(Identities::of_folder(other.path()).unwrap(), first);
    }

    #[test]
    fn an_identity_that_is_kept_outlives_the_segment_it_came_from_and_never_replaces_another() {
        let dir = tempfile::tempdir().unwrap();
        drop(log_of(dir.path()));
        let first = Identities::of_folder(dir.path()).unwrap();
        first.keep(dir.path()).unwrap();
        std::fs::remove_dir_all(dir.path().join(LOG_FOLDER)).unwrap();
        assert_eq!(Identities::of_folder(dir.path()).unwrap(), first);
        Identities::one("other").keep(dir.path()).unwrap();
        assert_eq!(Identities::of_folder(dir.path()).unwrap(), first);
    }

    #[test]
    fn a_backup_restored_twice_gets_two_identities() {
        let renewed = || {
            let mut identities = Identities::one("aa");
            identities.renew(StartEpoch(3));
            identities.current().to_owned()
        };
        assert_ne!(renewed(), renewed());
    }

    #[test]
    fn an_identity_file_that_makes_no_sense_is_refused_not_replaced() {
        for text in ["\0\0\0", "0 a b", "0 aa\n0 bb\n", "0 aa\n7 bb\n6 cc\n", "x aa\nno", "aa\u{202e}"] {
            let parsed = Identities::parse(text);
            assert!(parsed.is_err(), "{text:?} gave {parsed:?}");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(IDENTITY_FILE), "0 a b").unwrap();
        assert!(Identities::of_folder(dir.path()).is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join(IDENTITY_FILE)).unwrap(), "0 a b");
    }
}
