//! Keeps one source connected: a new connection, event loop and window each time, with pauses that grow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::backoff::{Backoff, jitter};
use super::complaints::Complaints;
use super::config::Config;
use super::connection::{Connection, End};
use super::plan::{Local, Plan, SourceError};
use super::status::{Reporter, Sources, State};

/// So many connections in a row that end right after the first probe: that broker does not let us publish.
const PROBES_UNANSWERED_MAX: u32 = 3;
/// What counts as right after.
const PROBE_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// One source, across its connections.
pub(super) struct Source {
    pub(super) plan: Plan,
    pub(super) local: Local,
    pub(super) reporter: Reporter,
    complaints: Mutex<Complaints>,
    /// That broker has kept a session for us since the gateway started.
    has_session: AtomicBool,
}

impl Source {
    /// Something delivered was refused.
    pub(super) fn complain(&self, topic: &str, code: u8) {
        let now_ms = self.local.clock.now().mono_ms;
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).refused(&self.plan.name, topic, code, now_ms);
    }

    /// A connection found its session, or did not.
    pub(super) fn session(&self, present: bool) {
        if self.has_session.swap(true, Ordering::Relaxed) && !present {
            self.reporter.update(|status| status.sessions_forgotten += 1);
            warn!(
                source = &*self.plan.name,
                "that broker has forgotten our session: what it took since the connection ended is not here"
            );
        }
    }

    fn ended(&self, end: &End, error: &str) {
        self.reporter.update(|status| {
            status.state = State::Waiting;
            status.round_trip = None;
            status.last_error = Some(error.to_owned());
        });
        let now_ms = self.local.clock.now().mono_ms;
        if end.lasted.is_zero() {
            self.complaints.lock().unwrap_or_else(PoisonError::into_inner).ended(&self.plan.name, error, now_ms);
        } else {
            warn!(source = &*self.plan.name, error, "the connection to a broker that is read from ended");
        }
    }
}

/// Sources that are ready to start.
pub(crate) struct Prepared(Vec<Arc<Source>>);

impl Sources {
    /// Reads passwords and certificates; connects to nobody yet.
    ///
    /// # Errors
    /// [`SourceError`], naming the source and the file.
    pub(crate) fn prepare(configs: &[Config], local: &Local) -> Result<Prepared, SourceError> {
        let prepare = |config: &Config| {
            Ok(Arc::new(Source {
                plan: Plan::new(config, local)?,
                local: local.clone(),
                reporter: Reporter::new(&config.name, &config.url),
                complaints: Mutex::default(),
                has_session: AtomicBool::new(false),
            }))
        };
        configs.iter().map(prepare).collect::<Result<_, _>>().map(Prepared)
    }
}

impl Prepared {
    /// Reads from all of them until `stop`, in tasks of `tracker`; each settles what it has in flight and says goodbye.
    pub(crate) fn start(self, tracker: &TaskTracker, stop: &CancellationToken) -> Sources {
        for source in &self.0 {
            drop(tracker.spawn(keep_connected(Arc::clone(source), tracker.clone(), stop.clone())));
        }
        Sources::new(self.0.iter().map(|source| source.reporter.clone()).collect())
    }
}

async fn keep_connected(source: Arc<Source>, tracker: TaskTracker, stop: CancellationToken) {
    let mut backoff = Backoff::new(source.plan.retry_max);
    let mut unanswered = 0;
    while !stop.is_cancelled() {
        source.reporter.update(|status| status.state = State::Connecting);
        let (connection, events) = Connection::new(&source, unanswered < PROBES_UNANSWERED_MAX);
        // A task of its own: should the library panic over what a broker sent, this source tries again and no other notices.
        let end = tracker.spawn(connection.run(events, stop.clone())).await;
        let end = end.unwrap_or_else(|panic| {
            error!(source = &*source.plan.name, %panic, "the MQTT client library panicked");
            let error = Some("the MQTT client library panicked".to_owned());
            End { error, lasted: Duration::ZERO, probe_unanswered: false }
        });
        let Some(error) = &end.error else { break };
        source.ended(&end, error);
        let rejected = end.probe_unanswered && end.lasted < PROBE_ENDS_WITHIN;
        if unanswered < PROBES_UNANSWERED_MAX {
            unanswered = if rejected { unanswered + 1 } else { 0 };
            if unanswered == PROBES_UNANSWERED_MAX {
                warn!(source = &*source.plan.name, "that broker ends connections that publish; probing it no more");
            }
        }
        backoff.lasted(end.lasted);
        tokio::select! {
            () = sleep(backoff.next(jitter())) => {}
            () = stop.cancelled() => {}
        }
    }
    source.reporter.update(|status| status.state = State::Stopped);
}
