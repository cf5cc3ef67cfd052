//! All subjects, what of them the checkpoint does not have yet, and when which device will count as silent.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::presence::Device;
use super::subject::Subject;
use crate::record::{GatewayTime, Name, Offset, SubjectKind};

/// Where a subject stands in the table. Numbers depend on the order of first appearance and differ after a restart:
/// they order nothing that leaves the fold.
pub(super) type At = usize;

/// The table of subjects.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    rows: Vec<Row>,
    index: HashMap<Name, At>,
    /// Names many subjects have in common.
    names: HashSet<Name>,
    /// For each online device one entry, at its deadline or earlier: hearing it moves the deadline, not the entry.
    deadlines: BinaryHeap<Reverse<(u64, At, Name)>>,
    /// Subjects whose halo the record being applied has changed.
    touched: Vec<At>,
}

#[derive(Debug)]
struct Row {
    subject: Subject,
    /// The checkpoint it was loaded from has every record up to here.
    applied: Offset,
    /// The last record that changed its halo.
    changed: Offset,
    dirty: bool,
}

/// What a change did to a subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Its state, but not what its halo shows.
    Hidden,
    /// Its halo.
    Shown,
}

impl Change {
    /// Both.
    pub(super) fn or(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Subjects {
    pub(super) fn begin_record(&mut self) {
        self.touched.clear();
    }

    /// Puts what the record touched in order of name.
    pub(super) fn end_record(&mut self) {
        if self.touched.len() > 1 {
            let rows = &self.rows;
            self.touched.sort_unstable_by_key(|at| rows.get(*at).map(|row| row.subject.name()));
        }
    }

    pub(super) fn touched(&self) -> impl Iterator<Item = &Subject> {
        self.touched.iter().filter_map(|at| self.at(*at))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Subject> {
        self.rows.get(*self.index.get(name)?).map(|row| &row.subject)
    }

    /// Position of a subject that is there.
    pub(super) fn find(&self, name: &str) -> Option<At> {
        self.index.get(name).copied()
    }

    /// In order of name.
    pub(super) fn sorted(&self) -> Vec<&Subject> {
        let mut subjects: Vec<_> = self.rows.iter().map(|row| &row.subject).collect();
        subjects.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        subjects
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Position of a subject, added when it is new.
    pub(super) fn position(&mut self, name: &Name, kind: impl FnOnce() -> SubjectKind) -> At {
        if let Some(at) = self.index.get(name) {
            return *at;
        }
        let name = shared(&mut self.names, name);
        self.insert(Subject::new(name, kind()), Offset(0))
    }

    pub(super) fn insert(&mut self, mut subject: Subject, applied: Offset) -> At {
        subject.intern(|name| shared(&mut self.names, name));
        let at = self.rows.len();
        self.index.insert(subject.name().clone(), at);
        self.rows.push(Row { subject, applied, changed: Offset(0), dirty: false });
        at
    }

    /// Lets a record change a subject, unless its state already has the record in it.
    pub(super) fn change(
        &mut self,
        at: At,
        offset: Offset,
        now: GatewayTime,
        with: impl FnOnce(&mut Subject, &mut dyn FnMut(&Name) -> Name) -> Change,
    ) {
        let Some(row) = self.rows.get_mut(at).filter(|row| row.applied < offset) else { return };
        let change = with(&mut row.subject, &mut |name| shared(&mut self.names, name));
        row.dirty |= change != Change::None;
        if change == Change::Shown && row.changed != offset {
            row.changed = offset;
            row.subject.revision += 1;
            row.subject.changed_ms = now.wall_ms;
            self.touched.push(at);
        }
    }

    /// Lets a record change every subject, then sets all deadlines anew.
    pub(super) fn change_all(&mut self, offset: Offset, now: GatewayTime, with: impl Fn(&mut Subject) -> Change) {
        for at in 0..self.rows.len() {
            self.change(at, offset, now, |subject, _| with(subject));
        }
        self.deadlines.clear();
        for at in 0..self.rows.len() {
            self.await_silence(at);
        }
    }

    /// Makes sure that the deadlines know the devices of a subject.
    pub(super) fn await_silence(&mut self, at: At) {
        let Some(row) = self.rows.get_mut(at) else { return };
        for device in row.subject.devices_mut() {
            device.queued = false;
            if let Some(due) = device.silent_at_ms() {
                device.queued = true;
                self.deadlines.push(Reverse((due, at, device.name.clone())));
            }
        }
    }

    /// The same for one device: most often its entry is there already.
    pub(super) fn await_silence_of(&mut self, at: At, name: &Name) {
        let Some(device) = device(&mut self.rows, at, name).filter(|device| !device.queued) else { return };
        if let Some(due) = device.silent_at_ms() {
            device.queued = true;
            let name = device.name.clone();
            self.deadlines.push(Reverse((due, at, name)));
        }
    }

    /// When the next device will count as silent.
    pub(super) fn deadline(&mut self) -> Option<u64> {
        loop {
            let entry = self.deadlines.peek_mut()?;
            let Reverse((due, at, name)) = &*entry;
            let device = device(&mut self.rows, *at, name);
            match device.as_ref().and_then(|device| device.silent_at_ms()) {
                Some(later) if later > *due => {
                    let mut entry = entry;
                    entry.0.0 = later;
                }
                Some(_) => return Some(*due),
                None => {
                    if let Some(device) = device {
                        device.queued = false;
                    }
                    std::collections::binary_heap::PeekMut::pop(entry);
                }
            }
        }
    }

    /// Lets every device whose time has come fall silent.
    pub(super) fn pass_time(&mut self, offset: Offset, now: GatewayTime) {
        while self.deadlines.peek().is_some_and(|Reverse((due, ..))| *due <= now.mono_ms)
            && self.deadline().is_some_and(|due| due <= now.mono_ms)
        {
            let Some(Reverse((_, at, name))) = self.deadlines.pop() else { return };
            if let Some(device) = device(&mut self.rows, at, &name) {
                device.queued = false;
            }
            self.change(at, offset, now, |subject, _| {
                let silent = subject.device_at_mut(&name).is_some_and(|device| device.fall_silent(now.mono_ms));
                if silent { Change::Shown } else { Change::None }
            });
        }
    }

    /// Positions of the subjects changed since they were last taken.
    pub(super) fn dirty(&self) -> Vec<At> {
        (0..self.rows.len()).filter(|at| self.rows.get(*at).is_some_and(|row| row.dirty)).collect()
    }

    pub(super) fn set_dirty(&mut self, at: At, dirty: bool) {
        if let Some(row) = self.rows.get_mut(at) {
            row.dirty = dirty;
        }
    }

    pub(super) fn at(&self, at: At) -> Option<&Subject> {
        self.rows.get(at).map(|row| &row.subject)
    }
}

fn device<'a>(rows: &'a mut [Row], at: At, name: &str) -> Option<&'a mut Device> {
    rows.get_mut(at)?.subject.device_at_mut(name)
}

fn shared(names: &mut HashSet<Name>, name: &Name) -> Name {
    if let Some(known) = names.get(name) {
        return known.clone();
    }
    names.insert(name.clone());
    name.clone()
}
