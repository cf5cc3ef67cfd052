//! One and the same work done by every engine of this build, in turns: what the README's table is made of.

use std::path::Path;
use std::time::Duration;

use super::{Change, Engine, StateError, Table, bytes_on_disk, remove};
use crate::clock::Clock;
use crate::store::fs::mem::Rng;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Rows in all.
    pub rows: u32,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Rows of one commit.
    pub commit_rows: u32,
    /// How often; figures are medians.
    pub runs: u32,
}

/// What one engine needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Which.
    pub engine: Engine,
    /// To write all rows, every commit durable.
    pub commit: Duration,
    /// To overwrite a tenth of them, every commit durable.
    pub update: Duration,
    /// To open them again and read every row.
    pub reopen: Duration,
    /// Bytes on disk.
    pub bytes: u64,
    /// From damage to all rows again: notice it, remove, open, write.
    pub rebuild: Duration,
}

/// Measures every engine of this build below `folder`, taking turns so that a slow moment hits both.
///
/// # Errors
/// What an engine could not do.
pub fn compare(folder: &Path, work: Work, clock: &Clock) -> Result<Vec<Figures>, StateError> {
    let engines: Vec<Engine> = Engine::ALL.into_iter().filter(|engine| engine.is_built()).collect();
    let mut runs = Vec::new();
    for _ in 0..work.runs.max(1) {
        for engine in &engines {
            runs.push(run(*engine, &engine.path(folder), work, clock)?);
        }
    }
    Ok(engines.into_iter().map(|engine| median(engine, &runs)).collect())
}

fn run(engine: Engine, path: &Path, work: Work, clock: &Clock) -> Result<Figures, StateError> {
    let io = |error: std::io::Error| StateError::Io { path: path.to_owned(), what: error.to_string() };
    remove(path).map_err(io)?;
    let (written, commit) = timed(clock, || write(engine, path, work, 0..work.rows));
    written?;
    let (updated, update) = timed(clock, || write(engine, path, work, 0..work.rows / 10));
    updated?;
    let bytes = bytes_on_disk(path).map_err(io)?;
    let (read, reopen) = timed(clock, || engine.open(path, 0)?.rows(Table::Halo));
    read?;
    damage(path).map_err(io)?;
    let (rebuilt, rebuild) = timed(clock, || {
        // It may open all the same; then the rows tell, or they are intact and there was nothing to rebuild.
        drop(engine.open(path, 0).and_then(|state| state.rows(Table::Halo)));
        remove(path).map_err(io)?;
        write(engine, path, work, 0..work.rows)
    });
    rebuilt?;
    remove(path).map_err(io)?;
    Ok(Figures { engine, commit, update, reopen, bytes, rebuild })
}

fn write(engine: Engine, path: &Path, work: Work, rows: std::ops::Range<u32>) -> Result<(), StateError> {
    let mut state = engine.open(path, 0)?;
    let mut rng = Rng(u64::from(rows.end));
    let all: Vec<u32> = rows.collect();
    for chunk in all.chunks(work.commit_rows.max(1) as usize) {
        let change = |row: &u32| Change {
            table: Table::Halo,
            // Subjects are not checkpointed in the order of their names.
            key: format!("subject-{:08}", row.wrapping_mul(2_654_435_761)).into_bytes(),
            value: Some((0..work.value_bytes).map(|_| rng.below(256) as u8).collect()),
        };
        state.commit(chunk.iter().map(change).collect())?;
    }
    Ok(())
}

/// Zeros in the middle of the largest file.
fn damage(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut file = path.to_owned();
    if path.is_dir() {
        let files = std::fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
        let largest = files.iter().max_by_key(|file| file.metadata().map_or(0, |it| it.len()));
        file = largest.map_or(file, std::fs::DirEntry::path);
    }
    let file = std::fs::OpenOptions::new().write(true).open(file)?;
    let len = file.metadata()?.len();
    file.write_all_at(&vec![0; 64 << 10], len / 3)
}

fn timed<T>(clock: &Clock, work: impl FnOnce() -> T) -> (T, Duration) {
    let before = clock.now().mono_ms;
    let done = work();
    (done, Duration::from_millis(clock.now().mono_ms.saturating_sub(before)))
}

fn median(engine: Engine, runs: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> Duration| {
        let mut figures: Vec<Duration> = runs.iter().filter(|it| it.engine == engine).map(figure).collect();
        figures.sort_unstable();
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    let bytes = runs.iter().rfind(|it| it.engine == engine).map_or(0, |it| it.bytes);
    Figures {
        engine,
        commit: of(|it| it.commit),
        update: of(|it| it.update),
        reopen: of(|it| it.reopen),
        bytes,
        rebuild: of(|it| it.rebuild),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_of_this_build_has_its_figures_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let work = Work { rows: 200, value_bytes: 50, commit_rows: 64, runs: 1 };
        let figures = compare(dir.path(), work, &Clock::system()).unwrap();
        assert_eq!(figures.len(), Engine::ALL.iter().filter(|engine| engine.is_built()).count());
        assert!(figures.iter().all(|it| it.bytes > 200 * 50 && it.bytes < 100 << 20), "{figures:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
