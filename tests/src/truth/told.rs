//! The rules of shipped situations in the world of some devices, and what they tell.

use firmware_sim::Step;
use halo_gateway::admin::Command;
use halo_gateway::halo::{Derived, Models};
use halo_gateway::record::{
    Act, Answer, Assignment, Body, Deed, FoldConfig, Mark, Name, Offset, Relation, Reply, Retained, Said, SparkTurn,
    StartEpoch, SubjectKind,
};
use halo_gateway::situations::{Situation, load, named};
use halo_gateway::spark::{Engine, spark_id};
use halo_gateway::store::identity::Identities;

use super::START_MS;
use super::spans::Span;
use super::world::{Decided, World};
use crate::Failure;

/// Devices that belong to people, or to nobody, under the rules of situations.
pub(super) struct Scene {
    pub(super) world: World,
    /// What is in force, to be changed and said again.
    pub(super) config: FoldConfig,
    /// All that was raised.
    raised: Vec<Raise>,
    /// How many of them were asked for.
    seen: usize,
}

/// A spark.
#[derive(Clone, Debug)]
pub(super) struct Raise {
    /// From when it was raised until it was cleared; as long as everything that was played, where it stands.
    pub(super) span: Span,
    /// The same by the gateway's clock.
    pub(super) told: Span,
    pub(super) rule: Name,
    pub(super) subject: Name,
    pub(super) with: Option<Name>,
    pub(super) offer: Option<Name>,
    pub(super) lead_s: Option<u64>,
    offset: Offset,
}

impl Raise {
    pub(super) fn is(&self, other: &Self) -> bool {
        self.offset == other.offset
    }

    pub(super) fn stands(&self) -> bool {
        self.span.to_ms == i64::MAX
    }

    /// When it was raised.
    pub(super) fn instant(&self) -> Span {
        Span { to_ms: self.span.from_ms, ..self.span }
    }
}

impl Scene {
    /// The situations, whose devices are whose (none: each its own), and what is set: of whom, what, and how.
    pub(super) fn new(
        situations: &[&str],
        owners: &[(&str, &str)],
        settings: &[(&str, &str, &str)],
    ) -> Result<Self, Failure> {
        let situations: Vec<&Situation> =
            situations.iter().map(|name| named(name).ok_or("no such situation")).collect::<Result<_, _>>()?;
        let folder = tempfile::tempdir()?;
        let config = load(&situations, folder.path())?;
        let rules = Engine::new(config.rule.clone(), config.known(), Models::default(), Identities::one("truth"))?;
        let engine = rules.with_cohorts(&config.cohort)?;
        let of = |(device, person): &(&str, &str)| Assignment {
            device: (*device).to_owned(),
            subject: (*person).to_owned(),
            kind: SubjectKind::Person,
            from_ms: None,
            until_ms: None,
        };
        let mut setup = Vec::new();
        for situation in situations {
            setup.extend(situation.commands()?.into_iter().filter_map(said));
        }
        setup.extend(settings.iter().map(|(subject, name, value)| set(subject, &[(name, Some(value))])));
        // Forecasts cost more than all the rest, and few rules read them.
        let forecasts = config.rule.iter().any(|rule| rule.when.contains("forecast"));
        let config = FoldConfig { assignments: owners.iter().map(of).collect(), forecasts, ..config.fold() };
        let world = World::with_rules(config.clone(), engine, setup);
        Ok(Self { world, config, raised: Vec::new(), seen: 0 })
    }

    /// Plays a step, and notes what was told in it.
    pub(super) fn play(&mut self, id: &str, step: &Step) -> Result<(), Failure> {
        self.world.pass(step.at_ms);
        self.world.take(id, step, |_, _| {})?;
        self.note();
        Ok(())
    }

    /// A client that is no device of the simulator says something.
    pub(super) fn say(&mut self, device: &str, payload: &str, at_ms: i64) -> Result<(), Failure> {
        self.world.pass(at_ms);
        self.world.say(device, payload, at_ms)?;
        self.note();
        Ok(())
    }

    /// Settings are others, or gone.
    pub(super) fn set(&mut self, subject: &str, settings: &[(&str, Option<&str>)], at_ms: i64) {
        self.enter(set(subject, settings), at_ms);
    }

    /// One subject is something to another from the beginning.
    pub(super) fn relate(&mut self, of: &str, subject: &str, kind: &str) {
        let [of, subject, kind] = [of, subject, kind].map(str::to_owned);
        let relation = Relation { of, subject, kind, from_ms: Some(START_MS), until_ms: None };
        self.enter(act(Deed::Relate(relation)), START_MS);
    }

    /// Two subjects prove to be one, the second.
    pub(super) fn merge(&mut self, from: &str, into: &str, at_ms: i64) {
        self.enter(act(Deed::Merge { from: from.to_owned(), into: into.to_owned() }), at_ms);
    }

    /// An organisation publishes a table.
    pub(super) fn offers(&mut self, (organisation, table): (&str, &str), payload: &str, at_ms: i64) {
        self.enter(offers(organisation, table, payload, at_ms), at_ms);
    }

    /// A device of whose spark it is answers.
    pub(super) fn answer(&mut self, raise: &Raise, device: &str, answer: Answer, at_ms: i64) {
        let mark = Mark { offset: raise.offset, epoch: StartEpoch(1) };
        let spark = spark_id(&raise.rule, &Identities::one("truth"), mark);
        let said = Said { spark, answer, rating: None, text: String::new() };
        self.enter(Body::Reply(Reply { device: device.into(), subject: raise.subject.clone(), said }), at_ms);
    }

    /// The configuration is another one.
    pub(super) fn configure(&mut self, at_ms: i64) {
        self.enter(Body::Config(self.config.clone()), at_ms);
    }

    fn enter(&mut self, body: Body, at_ms: i64) {
        self.world.enter(body, at_ms);
        self.note();
    }

    /// What a halo tells now.
    pub(super) fn derived(&self, subject: &str, name: &str) -> Option<Derived> {
        self.world.derived(subject, name)
    }

    /// Everything that was raised by a rule.
    pub(super) fn raised<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a Raise> {
        self.raised.iter().filter(move |raise| *raise.rule == *rule)
    }

    /// What was raised since this was asked last.
    pub(super) fn new_ones(&mut self) -> Vec<Raise> {
        let seen = std::mem::replace(&mut self.seen, self.raised.len());
        self.raised.get(seen..).unwrap_or_default().to_vec()
    }

    /// When each spark of a rule was raised and cleared; one that stands is as long as what was played.
    pub(super) fn spans(&self, rule: &str) -> Vec<Span> {
        self.raised(rule).map(|raise| raise.span).collect()
    }

    /// When each was raised.
    pub(super) fn instants(&self, rule: &str) -> Vec<Span> {
        self.raised(rule).map(Raise::instant).collect()
    }

    fn note(&mut self) {
        for Decided { at_ms, told_ms, offset, spark } in self.world.decided() {
            match spark.turn {
                SparkTurn::Raised(raised) => self.raised.push(Raise {
                    span: Span { from_ms: at_ms, to_ms: i64::MAX },
                    told: Span { from_ms: told_ms, to_ms: i64::MAX },
                    rule: spark.rule,
                    subject: spark.subject,
                    with: raised.pair.with,
                    offer: raised.pair.offer,
                    lead_s: raised.lead_s,
                    offset,
                }),
                SparkTurn::Cleared { spark: mark, .. } => {
                    if let Some(raise) = self.raised.iter_mut().rev().find(|raise| raise.offset == mark.offset) {
                        (raise.span.to_ms, raise.told.to_ms) = (at_ms, told_ms);
                    }
                }
                SparkTurn::Answered { .. } => {}
            }
        }
    }
}

fn act(deed: Deed) -> Body {
    Body::Act(Act { by: "local".to_owned(), deed })
}

fn set(subject: &str, settings: &[(&str, Option<&str>)]) -> Body {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
    act(Deed::Set { subject: subject.to_owned(), kind: None, settings })
}

fn offers(organisation: &str, table: &str, payload: &str, at_ms: i64) -> Body {
    Body::Retained(Retained {
        topic: format!("halo/v1/offers/{organisation}/{table}").into(),
        publisher: "local".into(),
        qos: 1,
        arrival: super::world::time(at_ms),
        payload: payload.to_owned().into(),
    })
}

fn said(command: Command) -> Option<Body> {
    Some(match command {
        Command::Set { subject, kind, settings } => act(Deed::Set { subject, kind, settings }),
        Command::Relate { of, subject, kind, .. } => {
            act(Deed::Relate(Relation { of, subject, kind, from_ms: Some(START_MS), until_ms: None }))
        }
        Command::LoadOffers { organisation, table, payload } => offers(&organisation, &table, &payload, START_MS),
        _ => return None,
    })
}
