//! A thread that computes, and whoever asks it waits no longer than it may.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::OnnxError;
use crate::halo::Miss;
use crate::store::state::caught;

/// The asking side. Dropped, it ends the thread with the next answer; a thread that never answers is left to itself.
pub(super) struct Worker {
    jobs: SyncSender<Job>,
}

struct Job {
    inputs: Vec<f32>,
    reply: SyncSender<Result<f32, String>>,
}

impl Worker {
    /// Makes in its thread what computes there from then on; `start` calls what it is given, in that thread.
    ///
    /// # Errors
    /// What `make` says, that it panicked, or that it takes longer than `wait`.
    pub(super) fn start<F, M>(
        start: impl FnOnce(Box<dyn FnOnce() + Send>) + Send + 'static,
        wait: Duration,
        make: M,
    ) -> Result<Self, OnnxError>
    where
        M: FnOnce() -> Result<F, OnnxError> + Send + 'static,
        F: Fn(Vec<f32>) -> Result<f32, String> + 'static,
    {
        // One that waits while another is computed: what is asked after that is late too.
        let (jobs, queue) = sync_channel(1);
        let (made, making) = sync_channel(1);
        let work = move || match caught(make) {
            // Whoever waited may have given up.
            Ok(Ok(compute)) if made.send(Ok(())).is_ok() => serve(&queue, compute),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => made.send(Err(error)).unwrap_or_default(),
            Err(said) => made.send(Err(OnnxError::Unbuilt(panicked(&said)))).unwrap_or_default(),
        };
        let thread = std::thread::Builder::new().name("onnx".to_owned()).spawn(move || start(Box::new(work)));
        thread.map_err(|error| OnnxError::Thread(error.to_string()))?;
        match making.recv_timeout(wait) {
            Ok(made) => made.map(|()| Self { jobs }),
            Err(RecvTimeoutError::Timeout) => Err(OnnxError::Endless("building it", wait)),
            Err(RecvTimeoutError::Disconnected) => Err(OnnxError::Thread("it ended".to_owned())),
        }
    }

    /// The number for these, if it comes within `wait`.
    pub(super) fn run(&self, inputs: &[f32], wait: Duration) -> Result<f32, Miss> {
        let (reply, answer) = sync_channel(1);
        // The queue is full while an inference that was late goes on; a thread that is gone has told why.
        if self.jobs.try_send(Job { inputs: inputs.to_vec(), reply }).is_err() {
            return Err(Miss::Late);
        }
        match answer.recv_timeout(wait) {
            Ok(answer) => answer.map_err(Miss::Failed),
            Err(RecvTimeoutError::Timeout) => Err(Miss::Late),
            Err(RecvTimeoutError::Disconnected) => Err(Miss::Failed("its thread ended".to_owned())),
        }
    }
}

fn serve(queue: &Receiver<Job>, compute: impl Fn(Vec<f32>) -> Result<f32, String>) {
    while let Ok(Job { inputs, reply }) = queue.recv() {
        let answer = caught(|| compute(inputs)).unwrap_or_else(|said| Err(panicked(&said)));
        // Whoever asked may have given up.
        reply.send(answer).unwrap_or_default();
    }
}

fn panicked(said: &str) -> String {
    format!("the runtime panicked: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn worker(compute: impl Fn(Vec<f32>) -> Result<f32, String> + Send + 'static) -> Worker {
        Worker::start(|work| work(), LONG, move || Ok(compute)).expect("a worker")
    }

    #[test]
    fn whoever_asks_waits_no_longer_than_he_may_and_a_late_answer_is_not_taken_for_another() {
        let (release, held) = sync_channel::<()>(0);
        let worker = worker(move |inputs| {
            if inputs == [1.0] {
                held.recv().expect("released");
            }
            Ok(inputs[0])
        });
        assert_eq!(worker.run(&[7.0], LONG), Ok(7.0));
        assert_eq!(worker.run(&[1.0], Duration::from_millis(1)), Err(Miss::Late));
        assert_eq!(worker.run(&[2.0], Duration::from_millis(1)), Err(Miss::Late), "it waits behind the first");
        assert_eq!(worker.run(&[3.0], LONG), Err(Miss::Late), "nothing more waits, however long it might");
        release.send(()).expect("it computes");
        while worker.run(&[4.0], LONG) == Err(Miss::Late) {
            std::thread::yield_now();
        }
        assert_eq!(worker.run(&[5.0], LONG), Ok(5.0));
    }

    #[test]
    fn a_panic_is_what_it_said() {
        let worker = worker(|inputs| match inputs.first() {
            Some(1.0) => panic!("no axis {}", inputs.len()),
            _ => Ok(0.0),
        });
        assert_eq!(worker.run(&[1.0], LONG), Err(Miss::Failed("the runtime panicked: no axis 1".to_owned())));
        assert_eq!(worker.run(&[0.0], LONG), Ok(0.0));
    }

    #[test]
    fn what_cannot_be_made_or_is_not_made_in_time_is_told() {
        type Compute = fn(Vec<f32>) -> Result<f32, String>;
        let made = |make: fn() -> Result<Compute, OnnxError>| {
            Worker::start(|work| work(), LONG, make).map(drop).expect_err("not made")
        };
        assert_eq!(made(|| Err(OnnxError::Lacks("has no graph"))), OnnxError::Lacks("has no graph"));
        assert_eq!(made(|| panic!("overflow")), OnnxError::Unbuilt("the runtime panicked: overflow".to_owned()));
        let (release, held) = sync_channel::<()>(0);
        let wait = Duration::from_millis(1);
        let late = Worker::start(
            |work| work(),
            wait,
            move || {
                held.recv().map_err(|_| OnnxError::Lacks("it was let go"))?;
                Ok(|_| Ok(0.0))
            },
        );
        assert_eq!(late.map(drop).expect_err("late"), OnnxError::Endless("building it", wait));
        drop(release);
    }
}
