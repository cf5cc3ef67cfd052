//! Preparing the next segment and sealing the last one: off the commit path on a thread of its own, or in place where
//! a simulation must be deterministic. The thread rests for a moment after a start.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::disk::{Budget, Use};
use super::error::StoreError;
use super::footer::{FooterBuilder, Numbers};
use super::format::{FIRST_ITEM, Header};
use super::fs::Fs;
use super::log::Options;
use super::{segment, spare};

/// At most one segment is being prepared; seals queue behind it.
const JOBS_MAX: usize = 4;
/// How often it looks whether there is room for a spare again.
const SPARE_PERIOD: Duration = Duration::from_secs(1);
/// How long after a start the spare and the next segment wait, unless the log comes to need it. Neither protects a record,
/// but each costs a slow disk some flushes, and a disk has one under way at a time: the first acknowledgement waited for
/// them.
const REST: Duration = Duration::from_secs(1);
/// So much of a first segment is written when it is made, under the sync that it needs for its headers: the first groups
/// fall on bytes that were written and do not change the file's map (`fill_ahead` does the same for later ones).
pub(crate) const FIRST_FILL_BYTES: u64 = 128 << 10;
/// A first segment gets at least this much, unless segments are smaller: room for what every start writes.
const FIRST_BYTES_MIN: u64 = 32 << 10;

/// A segment ready to be written to.
pub(crate) struct Prepared<F: Fs> {
    pub(crate) header: Header,
    pub(crate) file: Arc<F::File>,
    /// Bytes allocated for it.
    pub(crate) room: u64,
    /// Up to here it was written.
    pub(crate) filled: u64,
}

/// A segment to seal: nothing is written to it any more.
pub(crate) struct Seal<F: Fs> {
    pub(crate) header: Header,
    pub(crate) file: Arc<F::File>,
    pub(crate) end: u64,
    pub(crate) footer: FooterBuilder,
    pub(crate) numbers: Numbers,
}

enum Job<F: Fs> {
    Prepare(Header),
    Seal(Box<Seal<F>>),
    Spare,
    /// Nothing rests any more.
    Hurry,
}

/// Who does it.
pub(crate) struct Preparer<F: Fs> {
    works: Works<F>,
    thread: Option<Thread<F>>,
}

struct Works<F: Fs> {
    fs: F,
    dir: PathBuf,
    segment_bytes: u64,
    budget: Option<Arc<Budget>>,
}

struct Thread<F: Fs> {
    jobs: Option<SyncSender<Job<F>>>,
    prepared: std::sync::Mutex<Receiver<Result<Prepared<F>, StoreError>>>,
    asked: bool,
    /// It may still be resting.
    rests: bool,
    handle: Option<JoinHandle<()>>,
}

impl<F: Fs> Preparer<F> {
    pub(crate) fn new(fs: &F, dir: &Path, options: &Options) -> Result<Self, StoreError> {
        Self::resting(fs, dir, options, REST)
    }

    fn resting(fs: &F, dir: &Path, options: &Options, rest: Duration) -> Result<Self, StoreError> {
        let Options { segment_bytes, background, ref budget, .. } = *options;
        let works = || Works { fs: fs.clone(), dir: dir.to_owned(), segment_bytes, budget: budget.clone() };
        let thread = background.then(|| Thread::start(works(), rest)).transpose();
        let thread = thread.map_err(StoreError::io("start the segment thread of", dir))?;
        Ok(Self { works: works(), thread })
    }

    /// The segment asked for will be needed soon.
    pub(crate) fn hurry(&mut self) {
        self.thread.iter_mut().for_each(Thread::hurry);
    }

    /// Asks for a segment in advance; nothing happens where there is no thread, or when one is asked for already.
    pub(crate) fn ask(&mut self, header: impl FnOnce() -> Header) {
        if let Some(thread) = self.thread.as_mut().filter(|thread| !thread.asked) {
            thread.asked = thread.send(Job::Prepare(header()));
        }
    }

    /// The first segment of a start: a new one, else the spare, else a smaller one in what the last start has left.
    /// The names in the folders `above` are durable with it.
    pub(crate) fn take_first(&mut self, header: Header, above: &[&Path]) -> Result<Prepared<F>, StoreError> {
        self.works.first(header, above)
    }

    /// Makes segment `number`, which holds nothing, the spare if there is none.
    pub(crate) fn adopt_spare(&self, number: u64) -> bool {
        let Works { fs, dir, segment_bytes, .. } = &self.works;
        // If it cannot be, the segment is removed like any other that holds nothing.
        !spare::is_there(fs, dir, *segment_bytes) && spare::adopt(fs, dir, number, *segment_bytes).unwrap_or(false)
    }

    /// Sees to it that there is a spare, in its own time.
    pub(crate) fn keep_spare(&self) {
        match &self.thread {
            Some(thread) => {
                thread.send(Job::Spare);
            }
            None => drop(self.works.keep_spare()),
        }
    }

    /// The segment asked for, or one prepared on the spot.
    pub(crate) fn take(&mut self, header: impl FnOnce() -> Header) -> Result<Prepared<F>, StoreError> {
        if let Some(thread) = self.thread.as_mut().filter(|thread| thread.asked) {
            thread.asked = false;
            thread.hurry();
            let prepared = thread.prepared.get_mut().unwrap_or_else(PoisonError::into_inner).recv();
            if let Ok(Ok(prepared)) = prepared {
                return Ok(prepared);
            }
            // It failed some time ago; what counts is whether it fails now.
        }
        self.works.prepare(header(), &[], Use::Segment, (self.works.segment_bytes, 0))
    }

    /// Seals a segment. A failure is not the log's: the footer is only a shortcut, and the next start tries again.
    pub(crate) fn seal(&self, seal: Seal<F>) {
        match &self.thread {
            Some(thread) => {
                thread.send(Job::Seal(Box::new(seal)));
            }
            None => self.works.seal(seal),
        }
    }
}

impl<F: Fs> Works<F> {
    fn first(&self, header: Header, above: &[&Path]) -> Result<Prepared<F>, StoreError> {
        let mut room = self.segment_bytes;
        match self.prepare(header, above, Use::Segment, (room, FIRST_FILL_BYTES)) {
            Err(error) if error.is_full() => tracing::warn!(%error, "a start without room for a segment"),
            made => return made,
        }
        if spare::is_there(&self.fs, &self.dir, room) {
            match spare::take(&self.fs, &self.dir, &header, room) {
                Err(error) if error.is_full() => tracing::warn!(%error, "the spare is of no use"),
                taken => {
                    let file = Arc::new(taken?);
                    for above in above {
                        self.fs.sync_dir(above).map_err(StoreError::io("sync folder", above))?;
                    }
                    return Ok(Prepared { header, file, room, filled: FIRST_ITEM });
                }
            }
        }
        loop {
            match self.prepare(header, above, Use::Start, (room, 0)) {
                Err(error) if error.is_full() && room / 2 >= FIRST_BYTES_MIN => room /= 2,
                made => return made,
            }
        }
    }

    /// Whether there is a spare now.
    fn keep_spare(&self) -> bool {
        let len = self.segment_bytes;
        if spare::is_there(&self.fs, &self.dir, len) {
            return true;
        }
        let may = self.budget.as_ref().is_none_or(|budget| budget.has_room_for_spare());
        // Tried again while the log goes on; health tells of a disk that is full.
        may && spare::make(&self.fs, &self.dir, len).is_ok()
    }

    /// A new segment with so much room, written with zeros up to `fill` at least where so much fits.
    fn prepare(
        &self,
        header: Header,
        above: &[&Path],
        what: Use,
        (room, fill): (u64, u64),
    ) -> Result<Prepared<F>, StoreError> {
        // Held until the file is there and counts by itself. Measuring reads the folders, which writes down when that was: it
        // comes after their syncs, or these would have that to write.
        let _grant = match &self.budget {
            Some(budget) => {
                let grant = budget.grant(what, room);
                let path = segment::path(&self.dir, header.segment);
                Some(grant.map_err(StoreError::io("find room for segment", path))?)
            }
            None => None,
        };
        let filled = fill.clamp(FIRST_ITEM, room);
        let file = segment::prepare(&self.fs, &self.dir, above, &header, (room, filled))?;
        Ok(Prepared { header, file: Arc::new(file), room, filled })
    }

    fn seal(&self, seal: Seal<F>) {
        let Seal { header, file, end, footer, numbers } = seal;
        if let Err(error) = segment::seal(&*file, header.seed(), end, &footer, &numbers) {
            tracing::warn!(segment = header.segment, %error, "segment not sealed: it will be at the next start");
        }
    }
}

impl<F: Fs> Thread<F> {
    fn start(works: Works<F>, rest: Duration) -> std::io::Result<Self> {
        let (jobs, todo) = sync_channel::<Job<F>>(JOBS_MAX);
        let (done, prepared) = sync_channel(1);
        let run = move || {
            let mut rested = after_rest(&todo, rest);
            let mut has_spare = true;
            loop {
                let job = match rested.pop_front() {
                    Some(job) => Ok(job),
                    None if has_spare => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    None => todo.recv_timeout(SPARE_PERIOD),
                };
                match job {
                    // Nobody waits for it any more: the log is being closed.
                    Ok(Job::Prepare(header)) => {
                        drop(done.send(works.prepare(header, &[], Use::Segment, (works.segment_bytes, 0))));
                    }
                    Ok(Job::Seal(seal)) => works.seal(*seal),
                    Ok(Job::Spare) | Err(RecvTimeoutError::Timeout) => has_spare = works.keep_spare(),
                    Ok(Job::Hurry) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let handle = std::thread::Builder::new().name("segments".into()).spawn(run)?;
        let prepared = std::sync::Mutex::new(prepared);
        Ok(Self { jobs: Some(jobs), prepared, asked: false, rests: true, handle: Some(handle) })
    }

    fn hurry(&mut self) {
        if std::mem::take(&mut self.rests) {
            self.send(Job::Hurry);
        }
    }

    fn send(&self, job: Job<F>) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

/// What a start asked for, once it has rested. A log that is closed before that has no use for another segment.
fn after_rest<F: Fs>(todo: &Receiver<Job<F>>, rest: Duration) -> VecDeque<Job<F>> {
    let mut asked = VecDeque::new();
    loop {
        match todo.recv_timeout(rest) {
            Ok(job @ (Job::Prepare(_) | Job::Spare)) => asked.push_back(job),
            Ok(job @ (Job::Seal(_) | Job::Hurry)) => {
                asked.push_back(job);
                return asked;
            }
            Err(RecvTimeoutError::Timeout) => return asked,
            Err(RecvTimeoutError::Disconnected) => {
                asked.retain(|job| matches!(job, Job::Spare));
                return asked;
            }
        }
    }
}

impl<F: Fs> Drop for Thread<F> {
    fn drop(&mut self) {
        self.jobs = None;
        // The thread ends its jobs and never waits for us: there is room for the one segment that nobody will take. That
        // stays as an empty file, which the next start removes.
        if let Some(handle) = self.handle.take() {
            // A panic of the thread has been printed; closing goes on.
            handle.join().ok();
        }
    }
}

#[cfg(test)]
mod tests;
