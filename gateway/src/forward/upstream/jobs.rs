//! What was asked of the log and of the river, and has not come back yet. Sending goes on meanwhile; what comes back for a
//! connection that is gone is nobody's.

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinSet};

use crate::forward::owned::{Asker, Call};
use crate::record::{Body, Cursor, Name};
use crate::store::inlet::Appender;

/// What came back.
#[derive(Debug, PartialEq)]
pub(super) enum Came {
    /// The cursor is durable, or why it will never be.
    Cursor(Result<(), String>),
    /// All subjects there are.
    Subjects(Vec<Name>),
    /// The halos of these were asked for, and these there are.
    Rendered(Vec<Name>, Vec<(Name, Bytes)>),
    /// Of a connection that is gone; the present one has asked for everything itself.
    Stale,
    /// It broke off: what was asked never comes.
    Broken,
}

/// Jobs under way.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    set: JoinSet<(Option<u64>, Came)>,
    /// The one that writes a cursor.
    cursor: Option<Id>,
    /// Counts connections; jobs belong to one.
    connection: u64,
}

impl Jobs {
    /// A new connection begins: what older ones asked for is stale from now on.
    pub(super) fn connected(&mut self) {
        self.connection += 1;
    }

    /// A connection ended, and no other has begun.
    pub(super) fn disconnected(&mut self) {
        self.connection += 1;
    }

    /// Whether a cursor is on its way to the log.
    pub(super) fn is_writing(&self) -> bool {
        self.cursor.is_some()
    }

    /// Writes a cursor; one at a time.
    pub(super) fn write(&mut self, appender: Appender, cursor: Cursor) {
        self.write_by(async move {
            let written = appender.append(Body::Cursor(cursor).into()).await;
            written.map(drop).map_err(|error| error.to_string())
        });
    }

    fn write_by(&mut self, writing: impl Future<Output = Result<(), String>> + Send + 'static) {
        let job = self.set.spawn(async move { (None, Came::Cursor(writing.await)) });
        self.cursor = Some(job.id());
    }

    /// Asks for the names of all subjects.
    pub(super) fn name_subjects(&mut self, asker: Asker) {
        self.ask(async move {
            let (reply, subjects) = oneshot::channel();
            asker.call(Call::Subjects(reply)).await;
            Came::Subjects(subjects.await.unwrap_or_default())
        });
    }

    /// Asks for the halos of some subjects.
    pub(super) fn render(&mut self, asker: Asker, names: Vec<Name>) {
        self.ask(async move {
            let (asked, (reply, rendered)) = (names.clone(), oneshot::channel());
            asker.call(Call::Render(names, reply)).await;
            Came::Rendered(asked, rendered.await.unwrap_or_default())
        });
    }

    fn ask(&mut self, asking: impl Future<Output = Came> + Send + 'static) {
        let connection = Some(self.connection);
        drop(self.set.spawn(async move { (connection, asking.await) }));
    }

    /// The next that comes back; `None` when nothing is under way. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Came> {
        Some(match self.set.join_next_with_id().await? {
            Ok((_, (Some(connection), _))) if connection != self.connection => Came::Stale,
            Ok((id, (_, came))) => {
                self.cursor.take_if(|cursor| *cursor == id);
                came
            }
            // Whoever waits for a cursor would wait for ever.
            Err(error) if self.cursor.take_if(|cursor| *cursor == error.id()).is_some() => {
                Came::Cursor(Err("it was not written: its job broke off".to_owned()))
            }
            Err(_) => Came::Broken,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(subject: &str) -> Came {
        Came::Rendered(vec![subject.into()], vec![(subject.into(), Bytes::from_static(b"{}"))])
    }

    /// Halos asked for on one connection were sent on the next one, before its probe had made its way.
    #[tokio::test]
    async fn what_a_connection_asked_for_is_stale_on_the_next_one_and_while_there_is_none() {
        let mut jobs = Jobs::default();
        jobs.connected();
        jobs.ask(async { rendered("anna") });
        jobs.disconnected();
        assert_eq!(jobs.next().await, Some(Came::Stale));
        jobs.connected();
        jobs.ask(async { rendered("anna") });
        assert_eq!(jobs.next().await, Some(rendered("anna")));
        jobs.ask(async { rendered("ben") });
        jobs.disconnected();
        jobs.connected();
        assert_eq!(jobs.next().await, Some(Came::Stale));
        assert_eq!(jobs.next().await, None);
    }

    /// A panic there left the upstream waiting for its cursor until the next start.
    #[tokio::test]
    async fn a_cursor_whose_job_breaks_off_is_not_waited_for_and_one_of_an_older_connection_counts() {
        let mut jobs = Jobs::default();
        jobs.write_by(async { panic!("for the test") });
        assert!(jobs.is_writing());
        assert!(matches!(jobs.next().await, Some(Came::Cursor(Err(_)))));
        assert!(!jobs.is_writing());
        jobs.write_by(std::future::ready(Ok(())));
        jobs.ask(async { panic!("for the test") });
        jobs.connected();
        let mut came = vec![jobs.next().await, jobs.next().await];
        came.sort_by_key(|it| *it == Some(Came::Broken));
        assert_eq!(came, [Some(Came::Cursor(Ok(()))), Some(Came::Broken)]);
        assert!(!jobs.is_writing());
    }
}
