//! What is asked and said of rules and sparks.

use serde_json::{Value, json};

use super::desk::{BY, Desk, NOT_AVAILABLE, Refusal, check_id};
use super::rows::time;
use crate::halo::{Book, Fold, Sparked};
use crate::ingest::answers;
use crate::record::{Body, Deed, Name, Reply, Said};
use crate::spark::{Engine, RuleState, Working, spark_id};
use crate::store::identity::Identities;

impl Desk {
    pub(super) async fn rules(&self) -> Result<Vec<Value>, Refusal> {
        let states = self.ask_rules(|engine, fold| engine.states(fold)).await?;
        Ok(states.iter().map(rule).collect())
    }

    pub(super) async fn add_rule(&self, text: String) -> Result<Vec<Value>, Refusal> {
        let _acting = self.alone().await;
        let asked = text.clone();
        let config = self.ask_rules(move |engine, _| engine.check(&asked)).await??;
        let mut rows = self.act(Deed::Rule { name: config.name.clone(), text: Some(text) }).await?;
        rows.iter_mut().for_each(|row| row["rule"] = json!(config.name));
        Ok(rows)
    }

    pub(super) async fn remove_rule(&self, rule: String) -> Result<Vec<Value>, Refusal> {
        let _acting = self.alone().await;
        let asked = rule.clone();
        self.ask_rules(move |engine, _| engine.check_removal(&asked)).await??;
        self.act(Deed::Rule { name: rule, text: None }).await
    }

    pub(super) async fn resume_rule(&self, rule: String) -> Result<Vec<Value>, Refusal> {
        let _acting = self.alone().await;
        let asked = rule.clone();
        let known = self.ask_rules(move |engine, fold| engine.states(fold).iter().any(|it| it.config.name == asked));
        if !known.await? {
            return Err(format!("there is no rule {rule:?}").into());
        }
        self.act(Deed::Resume { rule }).await
    }

    pub(super) async fn sparks(&self, subject: Option<String>, all: bool) -> Result<Vec<Value>, Refusal> {
        self.ask_rules(move |engine, fold| sparks(engine.log_ids(), fold, subject.as_deref(), all)).await
    }

    /// As if a device had answered; whether there is such a spark is asked first, for whoever mistyped.
    pub(super) async fn answer_spark(&self, subject: String, said: Said) -> Result<Vec<Value>, Refusal> {
        check_id("subject", &subject)?;
        let said = answers::check(&said)?;
        let _acting = self.alone().await;
        let (whose, asked) = (self.meant(&subject).await?, said.spark.clone());
        let name = whose.clone();
        let known = self.ask_rules(move |engine, fold| {
            let sparks = fold.subject(&name).and_then(|subject| subject.sparks());
            let found = sparks?.iter().find(|spark| spark_id(&spark.rule, engine.log_ids(), spark.mark) == asked)?;
            Some(found.answered.is_some())
        });
        match known.await? {
            None => return Err(format!("subject {subject:?} has no spark {:?}", said.spark).into()),
            Some(true) => return Err(format!("spark {:?} is answered already", said.spark).into()),
            Some(false) => {}
        }
        let reply = Reply { device: whose.clone(), subject: whose, said };
        let offset = self.tools.appender.append(Body::Reply(reply).into()).await?;
        Ok(vec![json!({"offset": offset.0, "by": BY})])
    }

    pub(super) async fn ask_rules<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, &Fold) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let asker = self.tools.parts.rules().ok_or_else(|| format!("rules are {NOT_AVAILABLE}"))?;
        Ok(asker.rules(question).await.ok_or("the gateway is stopping")?)
    }
}

fn rule(state: &RuleState) -> Value {
    let RuleState { config, configured, working, open, book } = state;
    let (working, reason) = match working {
        Working::Active => ("active", None),
        Working::Quiet => ("quiet", Some("too few of the answers were yes, see floor".to_owned())),
        Working::Fenced(reason) => ("fenced", Some(reason.clone())),
        Working::FencedFor(reason) => ("active", Some(format!("fenced off {reason}"))),
    };
    let Book { raised, cleared, accepted, declined, ignored, ratings: (rated, sum), feedback } = book;
    let feedback: Vec<Value> = feedback
        .iter()
        .map(|(subject, at, text)| json!({"subject": **subject, "time": time(*at), "text": text}))
        .collect();
    json!({
        "rule": config.name, "state": working, "reason": reason, "severity": config.severity.as_str(),
        "from": if *configured { "configuration" } else { "socket" }, "owner": config.owner, "open": open,
        "raised": raised, "cleared": cleared, "accepted": accepted, "declined": declined, "ignored": ignored,
        "acceptance": book.acceptance(), "rating": (*rated > 0).then(|| *sum as f64 / *rated as f64),
        "feedback": feedback, "when": config.when,
    })
}

fn sparks(log_ids: &Identities, fold: &Fold, subject: Option<&str>, all: bool) -> Vec<Value> {
    let subjects = fold.subjects().into_iter().filter(|it| subject.is_none_or(|name| **it.name() == *name));
    let rows = subjects.flat_map(|subject| {
        let sparks = subject.sparks().into_iter().flat_map(|sparks| sparks.iter());
        sparks.filter(|spark| all || spark.is_open()).map(|spark| row(log_ids, subject.name(), spark))
    });
    rows.collect()
}

fn row(log_ids: &Identities, subject: &Name, spark: &Sparked) -> Value {
    json!({
        "spark": spark_id(&spark.rule, log_ids, spark.mark), "subject": **subject, "rule": *spark.rule,
        "state": if spark.is_open() { "raised" } else { "cleared" }, "severity": spark.severity.as_str(),
        "with": spark.pair.with.as_deref(), "offer": spark.pair.offer.as_deref(), "since": time(spark.since_ms),
        "cleared": spark.cleared.map(|(at, _)| time(at.wall_ms)), "lead_s": spark.lead_s,
        "answer": spark.answered.as_ref().map(|(_, answered)| answered.answer.as_str()), "message": spark.message,
    })
}
