//! What every stage of one gateway shares, and what each of them is given of it.

use std::sync::Arc;

use halo_proto::topic::Grammar;

use super::StartError;
use crate::auth::{self, AccountsPolicy};
use crate::broker::{self, Broker, Router};
use crate::clock::Clock;
use crate::config::Config;
use crate::forward::owned::Asker;
use crate::forward::upstream;
use crate::forward::{Sparks, river};
use crate::halo::Models;
use crate::metrics::Metrics;
use crate::record::Name;
use crate::recovery;
use crate::source;
use crate::spark::Engine;
use crate::store::Damages;
use crate::store::checkpoint::Checkpointer;
use crate::store::disk::Budget;
use crate::store::gate::Gate;
use crate::store::identity::Identities;
use crate::store::inlet::{Appender, Inlet};
use crate::store::owner;
use crate::store::retention;

/// What every stage of one gateway shares.
pub(super) struct Common {
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) gate: Arc<Gate>,
    pub(super) damages: Arc<Damages>,
    pub(super) grammar: Grammar,
    pub(super) router: Router,
    pub(super) feeds: upstream::Feeds,
    pub(super) policy: AccountsPolicy,
    pub(super) models: Models,
}

impl Common {
    pub(super) fn new(config: &Config, accounts: auth::Accounts, models: Models) -> Self {
        let (metrics, grammar) = (Arc::new(Metrics::default()), config.grammar());
        let policy = AccountsPolicy::new(grammar, accounts, config.auth.required, Arc::clone(&metrics));
        let router = Router::new(&config.broker, Arc::new(policy.clone()), Arc::clone(&metrics));
        let feeds = upstream::Feeds::new(&config.upstream);
        let (gate, damages) = (Arc::default(), Arc::default());
        Self { clock: Clock::system(), metrics, gate, damages, grammar, router, feeds, policy, models }
    }

    pub(super) fn for_owner(&self, asker: &Asker) -> owner::Shared {
        let (waker, durable) = (asker.clone(), self.feeds.waker());
        owner::Shared {
            clock: self.clock.clone(),
            gate: Arc::clone(&self.gate),
            damages: Arc::clone(&self.damages),
            metrics: Arc::clone(&self.metrics),
            wake: Box::new(move || {
                waker.look();
                durable();
            }),
        }
    }

    pub(super) fn for_retention(
        &self,
        config: &Config,
        budget: &Arc<Budget>,
        checkpoints: &Checkpointer,
        appender: Appender,
        identities: &Identities,
    ) -> retention::Parts {
        retention::Parts {
            config: config.disk.clone(),
            consumers: config
                .upstream
                .iter()
                .filter(|it| it.reads_log())
                .map(|it| Name::from(it.name.as_str()))
                .collect(),
            budget: Arc::clone(budget),
            checkpoints: checkpoints.clone(),
            replayed_from: recovery::replayed_from,
            appender,
            gate: Arc::clone(&self.gate),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
            identities: Some((identities.clone(), config.gateway.data_dir.clone())),
        }
    }

    pub(super) fn for_river(&self, log_ids: Identities, gateway_id: String, budget: &Arc<Budget>) -> river::Shared {
        river::Shared {
            clock: self.clock.clone(),
            gate: Arc::clone(&self.gate),
            damages: Arc::clone(&self.damages),
            metrics: Arc::clone(&self.metrics),
            router: self.router.clone(),
            grammar: self.grammar,
            gateway_id,
            log_ids,
            folded: Arc::default(),
            changes: self.feeds.changes(),
            upstreams: self.feeds.boards(),
            budget: Arc::clone(budget),
            models: self.models.clone(),
        }
    }

    pub(super) fn sparks(
        &self,
        config: &Config,
        log_ids: &Identities,
        appender: Appender,
    ) -> Result<Sparks, StartError> {
        let engine = Engine::new(config.rule.clone(), config.known(), self.models.clone(), log_ids.clone())?;
        let engine = engine.with_cohorts(&config.cohort)?;
        Ok(Sparks::new(engine, appender))
    }

    pub(super) fn for_sources(&self, config: &Config, inlet: &Arc<Inlet>) -> source::Local {
        source::Local {
            sink: Arc::clone(inlet) as Arc<dyn broker::Sink>,
            router: self.router.clone(),
            clock: self.clock.clone(),
            grammar: self.grammar,
            gateway_id: config.gateway.id.clone(),
            packet_bytes_max: config.broker.packet_bytes_max,
        }
    }

    pub(super) fn for_upstreams(&self, river: &river::Shared, appender: Appender, asker: Asker) -> upstream::Shared {
        let (gateway_id, log_ids) = (river.gateway_id.clone(), river.log_ids.clone());
        let (clock, grammar, damages) = (self.clock.clone(), self.grammar, Arc::clone(&self.damages));
        upstream::Shared { clock, grammar, gateway_id, log_ids, damages, appender, asker }
    }

    pub(super) fn broker(&self, config: broker::Config, inlet: Arc<Inlet>, asker: Asker) -> Broker {
        let (router, clock, metrics) = (self.router.clone(), self.clock.clone(), Arc::clone(&self.metrics));
        Broker::new(config, router, inlet, Arc::new(asker), clock, metrics)
    }
}
