//! The frames of one subject, read as the fold read them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use halo_proto::topic::{Grammar, Topic};

use crate::ingest::readings::{Readings, Unreadable, read};
use crate::ingest::schemas::Schemas;
use crate::record::{Act, Body, Deed, Frame, Name, Offset, Record};
use crate::store::fs::{Disk, Fs};
use crate::store::head::Head;
use crate::store::replaying::Skipped;
use crate::store::seek::{Archive, Found, Sought, Wanted};
use crate::store::state::{MemState, StateEngine, StateError};
use crate::store::{LOG_FOLDER, StoreError};

/// Why the past could not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the log carries of the time before it begins.
    #[error("what the log carries of the time before it begins: {0}")]
    Carried(#[from] StateError),
    /// The data folder.
    #[error("{path}: {source}")]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Rules that are asked about.
    #[error("{0}")]
    Rules(String),
    /// There is no log.
    #[error("{} holds no log: name a gateway's data folder with --data-dir", .0.display())]
    NoLog(PathBuf),
    /// Of that time the log has only what was carried over into it, which is of a later one.
    #[error(
        "the records of that time are deleted; the log can tell of halos from {} on",
        crate::forward::json::Time(*.from_ms)
    )]
    TooEarly {
        /// Unix milliseconds.
        from_ms: i64,
    },
    /// What is carried was written by another version.
    #[error("the halos carried in the log are of no use to a program that folds version {wanted}: {why}")]
    OtherFold {
        /// What this program folds.
        wanted: u16,
        /// What is wrong.
        why: String,
    },
    /// More readings than are held at once.
    #[error("more than {max} readings: ask for a shorter time, or for steps")]
    TooMany {
        /// How many are held.
        max: usize,
    },
}

/// A log and how to read it.
pub struct Past<F: Fs> {
    archive: Archive<F>,
    skipped: Skipped,
    grammar: Grammar,
}

/// A frame that was read.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its record and where that stands.
    pub found: &'a Found,
    /// What the record says.
    pub frame: &'a Frame,
    /// What the frame says.
    pub readings: &'a Readings,
    /// What it was read with.
    pub schemas: &'a Schemas,
}

/// How a search for frames went.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Frames read.
    pub frames: u64,
    /// Frames that cannot be read here although the gateway did: a birth of their device is gone.
    pub unread: u64,
    /// Whether births were needed.
    pub births: bool,
    /// The search itself.
    pub sought: Sought,
}

/// What is in doubt about the frames of one pass.
#[derive(Default)]
struct Doubts {
    /// Read, in order of offset.
    read: Vec<Offset>,
    /// Not read for want of a schema when they came, and whose.
    unread: BTreeMap<Offset, Name>,
    /// Set aside by the gateway, and whose.
    set_aside: BTreeMap<Offset, Name>,
    /// Whose frames were read again for want of a schema, perhaps in vain.
    again: BTreeSet<Name>,
}

impl Doubts {
    /// Devices whose births have to be known: their frames were read here and not by the gateway, or the other way round.
    fn devices(&self) -> BTreeSet<Name> {
        let unread = self.unread.iter().filter(|(offset, _)| !self.set_aside.contains_key(offset));
        let read = self.set_aside.iter().filter(|(offset, _)| self.read.binary_search(offset).is_ok());
        unread.chain(read).map(|(_, device)| device).chain(&self.again).cloned().collect()
    }
}

/// Births, and what forgets them, to be applied as the frames come by.
struct Births {
    schemas: Schemas,
    records: std::vec::IntoIter<Record>,
    next: Option<Record>,
}

impl Births {
    fn none(grammar: Grammar) -> Self {
        Self::new(Schemas::new(grammar), Vec::new())
    }

    fn new(schemas: Schemas, records: Vec<Record>) -> Self {
        let mut records = records.into_iter();
        let next = records.next();
        Self { schemas, records, next }
    }

    /// The schemas as of the records before an offset.
    fn before(&mut self, offset: Offset) -> &Schemas {
        while let Some(record) = self.next.take_if(|record| record.offset < offset) {
            self.schemas.apply(&record);
            self.next = self.records.next();
        }
        &self.schemas
    }
}

impl Past<Disk> {
    /// The log of a data folder, whose topics stand under the grammar's root.
    ///
    /// # Errors
    /// [`PastError`] by what to do about it.
    pub fn open(folder: &Path, grammar: Grammar) -> Result<Self, PastError> {
        let log = folder.join(LOG_FOLDER);
        if !log.is_dir() {
            return Err(PastError::NoLog(folder.to_owned()));
        }
        let failed = |source| PastError::Folder { path: folder.to_owned(), source };
        Self::over(Disk, &log, Skipped::of_folder(folder).map_err(failed)?, grammar)
    }
}

impl<F: Fs> Past<F> {
    /// The log in a folder of its own; `skipped` are the records nobody is to apply.
    ///
    /// # Errors
    /// [`PastError::Store`].
    pub fn over(fs: F, log: &Path, skipped: Skipped, grammar: Grammar) -> Result<Self, PastError> {
        Ok(Self { archive: Archive::look(fs, log)?, skipped, grammar })
    }

    /// The log.
    pub fn archive(&self) -> &Archive<F> {
        &self.archive
    }

    pub(super) fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    pub(super) fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// Hands over the frames that fed a subject, in order of offset, those written in `written_ms` and perhaps more, and
    /// gathers what `each` makes of them; from the beginning again if it turns out that births have to be known first.
    ///
    /// # Errors
    /// [`PastError`], also that of `each`.
    pub fn frames<T: Default>(
        &self,
        subject: &str,
        written_ms: Range<i64>,
        mut progress: impl FnMut(usize, usize),
        mut each: impl FnMut(&mut T, Seen<'_>) -> Result<(), PastError>,
    ) -> Result<(T, Account), PastError> {
        let wanted = Wanted { subject: Some(subject.into()), written_ms, ..Wanted::default() };
        let births = Births::none(self.grammar);
        let (gathered, mut account, doubts) = self.pass(&wanted, births, &mut progress, &mut each)?;
        let devices = doubts.devices();
        if devices.is_empty() {
            return Ok((gathered, account));
        }
        let births = self.births(devices)?;
        let (gathered, again, doubts) = self.pass(&wanted, births, &mut progress, &mut each)?;
        account = Account { births: true, ..again };
        account.unread = doubts.unread.keys().filter(|offset| !doubts.set_aside.contains_key(offset)).count() as u64;
        Ok((gathered, account))
    }

    fn pass<T: Default>(
        &self,
        wanted: &Wanted,
        mut births: Births,
        progress: &mut impl FnMut(usize, usize),
        each: &mut impl FnMut(&mut T, Seen<'_>) -> Result<(), PastError>,
    ) -> Result<(T, Account, Doubts), PastError> {
        let (mut gathered, mut account, mut doubts) = (T::default(), Account::default(), Doubts::default());
        let mut readings = Readings::default();
        let mut outcome = Ok(());
        account.sought = self.archive.seek(wanted, progress, |found| {
            let offset = found.record.offset;
            if self.skipped.contains(offset) {
                return ControlFlow::Continue(());
            }
            match &found.record.body {
                Body::Frame(frame) | Body::Replayed(frame) if Some(&frame.subject) == wanted.subject.as_ref() => {
                    let schemas = births.before(offset);
                    match read(frame, offset, schemas, &mut readings) {
                        Ok(()) => {
                            account.frames += 1;
                            doubts.read.push(offset);
                            outcome = each(&mut gathered, Seen { found: &found, frame, readings: &readings, schemas });
                        }
                        Err(Unreadable::UnknownSchema { .. } | Unreadable::DisputedSchema { .. }) => {
                            if matches!(found.record.body, Body::Replayed(_)) {
                                doubts.again.insert(frame.device.clone());
                            } else {
                                doubts.unread.insert(offset, frame.device.clone());
                            }
                        }
                        Err(_) => {}
                    }
                }
                Body::Quarantine(it) => {
                    found.record.cause.and_then(|cause| doubts.set_aside.insert(cause, it.device.clone()));
                }
                _ => {}
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome.map(|()| (gathered, account, doubts))
    }

    /// What births of these devices say, from the beginning of the log and from what it carries of the time before.
    fn births(&self, devices: BTreeSet<Name>) -> Result<Births, PastError> {
        let topic = |device: &Name| self.grammar.display(Topic::Birth { device }).to_string().into();
        let names = devices.iter().map(topic).collect();
        let wanted = Wanted { names, acts: true, ..Wanted::default() };
        let (schemas, applied) = self.carried()?;
        let mut records = Vec::new();
        self.archive.seek(
            &wanted,
            |_, _| (),
            |found| {
                let is_about = match &found.record.body {
                    Body::Retained(_) => true,
                    Body::Act(Act { deed: Deed::Forget { device }, .. }) => devices.contains(device.as_str()),
                    _ => false,
                };
                if is_about && found.record.offset > applied && !self.skipped.contains(found.record.offset) {
                    records.push(found.record);
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(Births::new(schemas, records))
    }

    /// The schemas as of what the log carries, and up to which record they are.
    fn carried(&self) -> Result<(Schemas, Offset), PastError> {
        let mut rows = MemState::default();
        let nothing = || (Schemas::new(self.grammar), Offset(0));
        if self.archive.begins() <= Offset(1) {
            return Ok(nothing());
        }
        if self.archive.carried(|some| rows.commit(some).map_err(PastError::from))?.is_none() {
            return Ok(nothing());
        }
        // Of another version: then the births that are left have to do.
        Ok(Head::load(&self.grammar, &rows)
            .map_or_else(|_| nothing(), |head| (head.ingest.schemas().clone(), head.applied())))
    }
}
