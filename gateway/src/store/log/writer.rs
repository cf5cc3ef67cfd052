//! Who writes groups: whoever commits, or a thread of its own, one after the other, while the next group gathers. A group
//! is written only when all before it are durable, so that the disk sees the same calls either way.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::commit::COMMITS_MAX;
use crate::store::fs::{Fs, FsFile};

/// Groups handed over at a time: one more than stay under way.
const GROUPS_MAX: usize = COMMITS_MAX + 1;

/// A group to be made durable.
pub(super) struct Write<F: Fs> {
    pub(super) file: Arc<F::File>,
    pub(super) bytes: Vec<u8>,
    pub(super) position: u64,
}

/// What became of a group; its bytes come back to be used again.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) outcome: io::Result<()>,
}

impl<F: Fs> Write<F> {
    /// One write, one sync.
    pub(super) fn run(self) -> Written {
        let Self { file, bytes, position } = self;
        let outcome = file.write_at(&bytes, position).and_then(|()| file.sync_data());
        Written { bytes, outcome }
    }

    /// Not at all: the one before it failed.
    fn leave(self) -> Written {
        Written { bytes: self.bytes, outcome: Err(io::Error::other("the group before it was not written")) }
    }
}

/// Writes groups in the order they are handed over.
pub(super) struct Writer<F: Fs> {
    /// Begun with the first group that is handed over: most logs never have one large enough.
    thread: Option<Thread<F>>,
    background: bool,
    /// Groups handed over whose outcome was not taken, and of them those whose outcome is here.
    out: usize,
    back: VecDeque<Written>,
}

struct Thread<F: Fs> {
    groups: Option<SyncSender<Job<F>>>,
    written: Mutex<Receiver<Written>>,
    handle: Option<JoinHandle<()>>,
}

/// A group, and whether the outcomes of all before it have been taken, so that a failure of theirs does not concern it.
type Job<F> = (Write<F>, bool);

impl<F: Fs> Writer<F> {
    /// `background`: on a thread of its own; else at once, where a simulation must be deterministic.
    pub(super) fn new(background: bool) -> Self {
        Self { thread: None, background, out: 0, back: VecDeque::new() }
    }

    /// Takes over a group; after one that failed it is not written, and fails as well.
    pub(super) fn hand(&mut self, write: Write<F>) {
        let alone = self.out == 0;
        self.out += 1;
        if self.background && self.thread.is_none() {
            // Without a thread it is written here.
            self.thread = Thread::start().inspect_err(|error| tracing::warn!(%error, "no thread to write with")).ok();
        }
        if let Some(groups) = self.thread.as_ref().and_then(|thread| thread.groups.as_ref()) {
            if let Err(unsent) = groups.send((write, alone)) {
                // The thread has panicked: what became of the groups it had is not known, so none of them counts.
                self.back.push_back(unsent.0.0.leave());
                self.thread = None;
            }
            return;
        }
        let failed = self.back.iter().any(|written| written.outcome.is_err());
        self.back.push_back(if failed { write.leave() } else { write.run() });
    }

    /// Whether the oldest group's outcome can be had without waiting.
    pub(super) fn is_back(&mut self) -> bool {
        if self.back.is_empty()
            && let Some(thread) = &mut self.thread
        {
            self.back.extend(thread.written().try_recv());
        }
        !self.back.is_empty()
    }

    /// Waits for the oldest group that was handed over.
    pub(super) fn wait(&mut self) -> Written {
        self.out = self.out.saturating_sub(1);
        let here = self.back.pop_front();
        let written = here.or_else(|| self.thread.as_mut()?.written().recv().ok());
        written.unwrap_or_else(|| Written {
            bytes: Vec::new(),
            outcome: Err(io::Error::other("the thread that writes has ended")),
        })
    }
}

impl<F: Fs> Thread<F> {
    fn start() -> io::Result<Self> {
        let (groups, todo) = sync_channel::<Job<F>>(GROUPS_MAX);
        let (done, written) = sync_channel(GROUPS_MAX);
        let run = move || {
            let mut failed = false;
            for (write, alone) in todo {
                failed &= !alone;
                let written = if failed { write.leave() } else { write.run() };
                failed = written.outcome.is_err();
                if done.send(written).is_err() {
                    return;
                }
            }
        };
        let handle = std::thread::Builder::new().name("commits".into()).spawn(run)?;
        Ok(Self { groups: Some(groups), written: Mutex::new(written), handle: Some(handle) })
    }

    fn written(&mut self) -> &mut Receiver<Written> {
        self.written.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Fs> Drop for Thread<F> {
    fn drop(&mut self) {
        self.groups = None;
        if let Some(handle) = self.handle.take() {
            // A panic of the thread has been printed; closing goes on.
            handle.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::fs::mem::{Fault, MemFile, MemFs};

    fn write(file: &Arc<MemFile>, byte: u8, position: u64) -> Write<MemFs> {
        Write { file: Arc::clone(file), bytes: vec![byte; 4], position }
    }

    #[test]
    fn groups_after_one_that_failed_are_not_written_until_its_outcome_was_taken() {
        for background in [false, true] {
            for call in [0, 1] {
                let fs = MemFs::new(1);
                let file = Arc::new(fs.create_new(Path::new("/f"), 12).unwrap());
                let mut writer = Writer::new(background);
                fs.fail_after(call, Fault::Io);
                for n in 0..3 {
                    writer.hand(write(&file, 1, 4 * n));
                }
                let outcomes: Vec<bool> = (0..3).map(|_| writer.wait().outcome.is_ok()).collect();
                assert_eq!(outcomes, [false; 3], "background {background}, call {call}");
                assert_eq!(fs.bytes(Path::new("/f")).unwrap()[4..], [0; 8]);
                writer.hand(write(&file, 2, 4));
                assert!(writer.wait().outcome.is_ok());
                assert_eq!(fs.bytes(Path::new("/f")).unwrap()[4..], [2, 2, 2, 2, 0, 0, 0, 0]);
            }
        }
    }

    #[test]
    fn a_group_is_synced_before_its_outcome_is_back_and_its_bytes_with_it() {
        for background in [false, true] {
            let fs = MemFs::new(2);
            let file = Arc::new(fs.create_new(Path::new("/f"), 4).unwrap());
            fs.sync_dir(Path::new("/")).unwrap();
            let mut writer = Writer::new(background);
            writer.hand(write(&file, 3, 0));
            let written = writer.wait();
            assert!(written.outcome.is_ok() && written.bytes == [3; 4]);
            fs.power_cut();
            assert_eq!(fs.bytes(Path::new("/f")).unwrap(), [3; 4]);
        }
    }
}
