//! What comes back: answers of the broker, and what the log and the river were asked for.

use tracing::warn;

use super::{Connection, Ended, Task};
use crate::forward::upstream::jobs::Came;
use crate::forward::upstream::machine::{Answer, Reason};
use crate::forward::upstream::status::State;
use crate::forward::upstream::transport::{Event, Token};
use crate::store::fs::Fs;

/// Events taken between two looks at the log.
const TURN_EVENTS: usize = 1_024;

impl<F: Fs> Task<F> {
    pub(super) async fn take_events(&mut self, first: Event, it: &mut Connection) -> Result<(), Ended> {
        let mut next = Some(first);
        for _ in 0..TURN_EVENTS {
            let Some(event) = next.take().or_else(|| it.link.try_next()) else { break };
            self.take_event(event, it).await?;
        }
        Ok(())
    }

    pub(super) async fn take_event(&mut self, event: Event, it: &mut Connection) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        match event {
            Event::Answered(token, reason, said) => {
                it.heard_ms = now_ms;
                self.answered(token, reason, said, it).await?;
            }
            Event::Subscribed(granted) => {
                (it.subscribed, it.heard_ms) = (true, now_ms);
                it.probe.subscribed(granted, now_ms);
            }
            Event::Received(payload) => {
                it.probe.received(&payload, now_ms);
            }
            Event::Down(why) => return Err(Ended { why, by_peer: true }),
            Event::Connected(_) => return Err(Ended::ours("the client connected twice")),
        }
        self.begin_to_flow(it)
    }

    /// Data flows once a probe has made its way.
    pub(super) fn begin_to_flow(&mut self, it: &mut Connection) -> Result<(), Ended> {
        if it.flowing_since_ms.is_some() || it.probe.round_trip_ms().is_none() {
            return Ok(());
        }
        if self.reads_log() {
            // All births before the place where live may begin.
            while self.source.scout()? {}
            self.machine.connected(it.terms.receive_max, self.source.learned());
        }
        it.flowing_since_ms = Some(self.now_ms());
        self.set(State::Flowing);
        if let Some(changes) = &self.changes {
            // All subjects are sent, so those that changed meanwhile are not to be sent a second time.
            drop(changes.take());
            self.jobs.name_subjects(self.shared.asker.clone());
        }
        Ok(())
    }

    pub(super) async fn answered(
        &mut self,
        token: Token,
        reason: Reason,
        said: &'static str,
        it: &mut Connection,
    ) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        if reason != Reason::Success {
            self.failed(format!("the broker refused {}: {said}", what(&token)));
        }
        match token {
            Token::Log(way, offset) => match self.machine.answered(way, offset, reason) {
                Answer::Confirmed => it.takes_nothing = false,
                Answer::GiveUp => self.give_up(way, offset, said).await?,
                Answer::Again => warn!(upstream = self.config.name, %offset, said, "refused; sending it again"),
            },
            Token::Halo(subject) => self.halos.answered(&subject, reason == Reason::Success, now_ms),
            Token::Probe => it.probe.acked(now_ms),
        }
        Ok(())
    }

    /// What was asked for has come back, on a connection or without one.
    pub(super) fn came(&mut self, came: Came, it: Option<&mut Connection>) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        match (came, it) {
            (Came::Cursor(written), _) => {
                self.machine.cursor_written();
                if let Err(error) = written {
                    self.failed(format!("cursor: {error}"));
                }
            }
            (Came::Subjects(subjects), Some(_)) => {
                subjects.iter().for_each(|subject| self.halos.touch(subject, now_ms));
            }
            (Came::Rendered(asked, rendered), Some(it)) => {
                self.halos.rendered(&asked, &rendered);
                for (subject, payload) in rendered {
                    self.send_halo(subject, payload, it)?;
                }
            }
            // The next connection asks for everything.
            (Came::Broken, Some(_)) => return Err(Ended::ours("what was asked of the river never came")),
            (Came::Stale | Came::Subjects(_) | Came::Rendered(..) | Came::Broken, _) => {}
        }
        Ok(())
    }
}

fn what(token: &Token) -> String {
    match token {
        Token::Log(_, offset) => format!("the message of offset {offset}"),
        Token::Halo(subject) => format!("the halo of {subject}"),
        Token::Probe => "a probe".to_owned(),
    }
}
