//! What the river is asked between two batches: halos rendered now, and what the owned retained topics hold.

use bytes::Bytes;
use halo_proto::topic::Topic;

use super::super::cohort_json::cohorts;
use super::super::halo_json::render_in;
use super::super::owned::{Call, Rendered};
use super::super::sparks;
use super::super::welcome_json::welcome_json;
use super::River;
use crate::broker::matches;
use crate::forward::health_json::State;
use crate::record::Name;
use crate::store::fs::Fs;

impl<F: Fs> River<F> {
    pub(super) fn answer(&mut self, call: Call) -> bool {
        match call {
            Call::Look => {}
            // A subscriber that left meanwhile wants no answer.
            Call::Matching(filter, reply) => drop(reply.send(self.matching(&filter))),
            // An upstream that stopped meanwhile wants no answer either.
            Call::Subjects(reply) => {
                drop(reply.send(self.fold.subjects().into_iter().map(|subject| subject.name().clone()).collect()));
            }
            Call::Render(names, reply) => drop(reply.send(self.render(names))),
            Call::Rules(question) => question(self.sparks.engine(), &self.fold),
            Call::Stopping(reply) => {
                self.flow();
                self.set_health(State::Stopping);
                // Whoever asked may have given up waiting.
                reply.send(()).unwrap_or_default();
            }
            Call::Stop => return false,
        }
        true
    }

    /// The owned retained topics that `filter` selects, rendered now.
    fn matching(&mut self, filter: &str) -> Rendered {
        let grammar = &self.shared.grammar;
        let mut rendered = Rendered::new();
        for subject in self.fold.subjects() {
            let topic = grammar.display(Topic::Halo { subject: subject.name() }).to_string();
            if matches(filter, &topic) {
                rendered.push((topic.into(), render_in(&self.fold, subject, &self.shared.models, &mut self.tally)));
            }
        }
        for device in self.fold.replacements() {
            let topic = grammar.display(Topic::Cmd { device }).to_string();
            if let Some((replaced, subject)) = self.fold.place_of(device).filter(|_| matches(filter, &topic)) {
                rendered.push((topic.into(), welcome_json(device, replaced, subject, &self.shared.models)));
            }
        }
        let (log_ids, unix_ms) = (&self.shared.log_ids, self.shared.clock.now().wall_ms);
        for subject in self.fold.subjects().into_iter().filter(|subject| subject.sparks().is_some()) {
            for spark in sparks::standing(subject, unix_ms) {
                let told = sparks::told(log_ids, grammar, subject, spark);
                rendered
                    .extend(told.filter(|out| matches(filter, &out.topic)).map(|out| (out.topic.into(), out.payload)));
            }
        }
        let cohorts = cohorts(self.sparks.engine(), &self.fold, grammar);
        rendered.extend(
            cohorts.filter(|(topic, _)| matches(filter, topic)).map(|(topic, payload)| (topic.into(), payload)),
        );
        let topic = grammar.display(Topic::Health { gateway: &self.shared.gateway_id }).to_string();
        if matches(filter, &topic) {
            rendered.push((topic.into(), self.health_payload()));
        }
        rendered
    }

    fn render(&mut self, names: Vec<Name>) -> Vec<(Name, Bytes)> {
        let mut rendered = Vec::with_capacity(names.len());
        for name in names {
            if let Some(subject) = self.fold.subject(&name) {
                rendered.push((name, render_in(&self.fold, subject, &self.shared.models, &mut self.tally)));
            }
        }
        rendered
    }
}
