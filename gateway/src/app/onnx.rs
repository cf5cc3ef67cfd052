//! Models in ONNX that whoever runs the gateway brings, by a runtime in pure Rust; nothing else names it.
//!
//! In: a file's bytes. Out: a [`Model`] that gives one number for some, each time within its limit, or why not. The runtime
//! promises that a model reads and writes nothing but its own numbers; it bounds neither its time nor its memory. So each
//! model has a thread of its own, which is left alone when it is late, and whoever gives a gateway a model trusts its size.

mod facts;
mod whole;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use rten::{Model as Graph, NodeId, RunOptions, ThreadPool, Value};

pub(crate) use facts::{Facts, Tensor};
use worker::Worker;

use crate::clock::stopwatch;
use crate::halo::{Miss, Run};

/// Largest file.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;
/// Longest time a file may take to become a model, and a model to answer for the first time.
const START_WAIT: Duration = Duration::from_secs(20);
/// Longest time of another answer in a trial, where the limit is shorter: none is under way when the next one is asked for.
const TRIAL_WAIT: Duration = Duration::from_secs(1);
/// How often each of the trial's inputs is run with the watch.
const TRIALS: usize = 5;

/// Why a file is of no use as a model.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum OnnxError {
    /// Cut off, damaged, or something else.
    #[error("{0}")]
    NotWhole(#[from] whole::NotWhole),
    /// The runtime's parser does not read it.
    #[error("cannot be read: {0}")]
    Unread(String),
    /// Of another version than this build reads.
    #[error("is of {what} {got}, this build reads {least} to {most}")]
    Version { what: &'static str, got: i64, least: i64, most: i64 },
    /// It has no graph, no version, no input, no output of numbers.
    #[error("{0}")]
    Lacks(&'static str),
    /// It takes something else than one tensor of so many numbers.
    #[error("takes {got}; wanted one tensor float32 [1, {wanted}] or [{wanted}]")]
    Input { got: String, wanted: usize },
    /// It uses what the runtime does not have, or uses it wrongly.
    #[error("cannot be run here: {0}")]
    Unbuilt(String),
    /// It failed with zeros or ones.
    #[error("failed in a trial run: {0}")]
    Failed(String),
    /// It does not become a model, or does not answer at all.
    #[error("{0} takes longer than {1:?}")]
    Endless(&'static str, Duration),
    /// Its trial runs took longer than one may.
    #[error("takes longer than its limit, {0:?}, in trial runs; `model show` tells how long")]
    Slow(Duration),
    /// The system gave no thread.
    #[error("no thread: {0}")]
    Thread(String),
}

/// A model that has shown that it answers in time.
pub(crate) struct Model {
    worker: Worker,
    limit: Duration,
    took: Duration,
}

impl Run for Model {
    fn run(&self, inputs: &[f32]) -> Result<f32, Miss> {
        self.worker.run(inputs, self.limit)
    }
}

impl Model {
    /// The model in the bytes of a file, which takes `inputs` numbers, and of whose first output of numbers number `output`
    /// is told. Blocks while it is built and tried, a minute at most.
    ///
    /// # Errors
    /// [`OnnxError`]: what is wrong with it.
    pub(crate) fn load(bytes: Vec<u8>, inputs: usize, output: usize, limit: Duration) -> Result<Self, OnnxError> {
        let facts = Facts::read(&bytes)?;
        let rank = facts.takes(inputs)?;
        let name = facts.tells()?.to_owned();
        let make = move || {
            let graph = Graph::load(bytes).map_err(|error| OnnxError::Unbuilt(error.to_string()))?;
            Inference::new(graph, rank, &name, output)
        };
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&pool)));
        // Inside the pool from the start to the end: no inference waits for another thread, and a panic is caught where it is.
        let start = move |work: Box<dyn FnOnce() + Send>| pool.run(work);
        let worker = Worker::start(start, START_WAIT, move || {
            let inference = make()?;
            Ok(move |inputs: Vec<f32>| inference.run(inputs, options.clone()))
        })?;
        let took = trial(&worker, inputs, limit, START_WAIT)?;
        Ok(Self { worker, limit, took })
    }

    /// How long an inference took in its trial.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }
}

/// Zeros and ones: a first run that may take long, as caches are cold, then some by the watch. How long the longer of the
/// two takes.
fn trial(worker: &Worker, inputs: usize, limit: Duration, wait: Duration) -> Result<Duration, OnnxError> {
    let run = |numbers: &[f32], wait| {
        let watch = stopwatch();
        match worker.run(numbers, wait) {
            Ok(_) => Ok(Some(watch())),
            Err(Miss::Failed(why)) => Err(OnnxError::Failed(why)),
            Err(Miss::Late) => Ok(None),
        }
    };
    let mut longest = Duration::ZERO;
    for fill in [0.0, 1.0] {
        let numbers = vec![fill; inputs];
        run(&numbers, wait)?.ok_or(OnnxError::Endless("its first answer", wait))?;
        let mut took = [Duration::ZERO; TRIALS];
        for took in &mut took {
            *took = run(&numbers, limit.max(TRIAL_WAIT))?.ok_or(OnnxError::Slow(limit))?;
        }
        took.sort_unstable();
        // The middle one: a single slow run may be the machine's fault.
        longest = longest.max(took[TRIALS / 2]);
    }
    if longest > limit { Err(OnnxError::Slow(limit)) } else { Ok(longest) }
}

/// One graph, the node it is fed at, and the node that is told.
struct Inference {
    graph: Graph,
    from: NodeId,
    to: NodeId,
    rank: usize,
    output: usize,
    name: String,
}

impl Inference {
    fn new(graph: Graph, rank: usize, name: &str, output: usize) -> Result<Self, OnnxError> {
        let [from] = *graph.input_ids() else {
            return Err(OnnxError::Lacks("has not one input once its weights are counted out"));
        };
        let to = graph.find_node(name).ok_or(OnnxError::Lacks("has no node of its output's name"))?;
        Ok(Self { graph, from, to, rank, output, name: name.to_owned() })
    }

    fn run(&self, inputs: Vec<f32>, options: RunOptions) -> Result<f32, String> {
        let len = inputs.len();
        let shape = if self.rank == 1 { vec![len] } else { vec![1, len] };
        let value = Value::from_shape(shape, inputs).map_err(|error| error.to_string())?;
        let ran = self.graph.run(vec![(self.from, value.into())], &[self.to], Some(options));
        let told = ran.map_err(|error| error.to_string())?.pop().ok_or("it told nothing")?;
        let Value::FloatTensor(told) = told else { return Err("its output is not of float32".to_owned()) };
        let told = told.into_data();
        let Self { output, name, .. } = self;
        let short = || format!("output = {output}, and its output {name} has {} numbers, the first is 0", told.len());
        told.get(*output).copied().ok_or_else(short)
    }
}

#[cfg(test)]
mod tests;
