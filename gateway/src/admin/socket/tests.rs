use std::future::Future;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use halo_proto::topic::Grammar;

use super::*;
use crate::admin::{AccountsDesk, Parts, Tools, Upstream};
use crate::auth::{self, AccountsPolicy, Change};
use crate::broker::{self, OwnedTopics, Pending, Router};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::record::{AccountChange, Act, Body, Deed, Offset, SubjectKind};
use crate::store::gate::Gate;
use crate::store::head::Head;
use crate::store::inlet::{AppendError, Inlet, QUEUE_MAX, Submission};

/// What became of holds and releases, in order.
#[derive(Default)]
struct Shown(Mutex<Vec<bool>>);

impl Parts for Shown {
    fn upstreams(&self) -> Option<Vec<Upstream>> {
        let (name, state, more) = ("cloud".to_owned(), "flowing".to_owned(), Value::Null);
        Some(vec![Upstream { name, state, lag_ms: 0, forwarded: 0, pending: 0, more }])
    }

    fn hold(&self, _upstream: &str, held: bool) {
        self.0.lock().unwrap().push(held);
    }
}

struct Nothing;

impl OwnedTopics for Nothing {
    fn matching<'a>(&'a self, _filter: &'a str) -> Pending<'a, Vec<(Arc<str>, bytes::Bytes)>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// A desk, and in `log` what it hands to the log, which answers only when the test says so.
struct Rig {
    desk: Arc<Desk>,
    shown: Arc<Shown>,
    log: Receiver<Submission>,
    gate: Arc<Gate>,
    acts: TaskTracker,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (queue, log) = sync_channel(QUEUE_MAX);
        let (gate, grammar, metrics) = (Arc::new(Gate::default()), Grammar::default(), Arc::new(Metrics::default()));
        let appender = Inlet::new(queue, Arc::clone(&gate), grammar).appender();
        let policy = AccountsPolicy::new(grammar, auth::Accounts::default(), false, Arc::clone(&metrics));
        let router = Router::new(&broker::Config::default(), Arc::new(policy.clone()), Arc::clone(&metrics));
        let shown = Arc::new(Shown::default());
        let desk = Desk::new(Tools {
            gateway_id: "gateway".to_owned(),
            listens: Vec::new(),
            grammar,
            clock: Clock::system(),
            metrics,
            durable: Arc::default(),
            folded: Arc::default(),
            router: router.clone(),
            owned: Arc::new(Nothing),
            accounts: AccountsDesk::new(policy, router, appender.clone(), folder.path().join("accounts.toml")),
            appender,
            parts: Arc::clone(&shown) as Arc<dyn Parts>,
        });
        Self { desk: Arc::new(desk), shown, log, gate, acts: TaskTracker::new(), folder }
    }

    fn ask(&self, command: Command) -> impl Future<Output = Vec<Answer>> + 'static {
        let (desk, acts) = (Arc::clone(&self.desk), self.acts.clone());
        let line = serde_json::to_vec(&Request { v: VERSION, command }).unwrap();
        async move { answer(&line, &desk, &acts).await }
    }

    /// The next act that comes to the log, not answered yet.
    async fn act(&self) -> Waiting {
        until(|| self.come()).await
    }

    /// No act comes although everything has gone on as far as it can.
    async fn no_act(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            assert!(self.come().is_none(), "an act came too early");
        }
    }

    /// An act that has come; questions before it are answered by a head that knows nothing.
    fn come(&self) -> Option<Waiting> {
        let submission = self.log.try_recv().ok()?;
        self.gate.left(1, 0);
        match submission {
            Submission::Ask(question) => {
                question(&Head::new(&Grammar::default()));
                None
            }
            Submission::Append(draft, said) => match draft.body {
                Body::Act(Act { deed, .. }) => Some((deed, said)),
                other => panic!("{other:?} is no act"),
            },
            _ => panic!("neither a record nor a question"),
        }
    }

    fn shown(&self) -> Vec<bool> {
        self.shown.0.lock().unwrap().clone()
    }
}

type Waiting = (Deed, tokio::sync::oneshot::Sender<Result<Offset, AppendError>>);

/// Waits for what is to come.
async fn until<T>(mut come: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(it) = come() {
                return it;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("it never came")
}

fn hold(held: bool) -> Command {
    Command::Hold { upstream: "cloud".to_owned(), held }
}

fn assign(kind: SubjectKind) -> Command {
    let (device, subject) = ("car-1".to_owned(), "anna".to_owned());
    Command::Assign { device, subject, kind, from_ms: None, until_ms: None }
}

/// Two commands were checked and appended side by side: what the log said last was not what was in force last.
#[tokio::test]
async fn an_act_is_in_force_before_the_next_one_is_looked_at() {
    for (first, second) in [(hold(true), hold(false)), (assign(SubjectKind::Person), assign(SubjectKind::Machine))] {
        let rig = Rig::new();
        let (first, second) = (rig.acts.spawn(rig.ask(first)), rig.acts.spawn(rig.ask(second)));
        let (_, said) = rig.act().await;
        // The second waits for it.
        rig.no_act().await;
        said.send(Ok(Offset(1))).unwrap();
        let (_, said) = rig.act().await;
        said.send(Ok(Offset(2))).unwrap();
        assert!(matches!(first.await.unwrap()[..], [Answer::Row(_), Answer::Done]));
        assert!(matches!(second.await.unwrap()[..], [Answer::Row(_), Answer::Done]));
        assert!(rig.shown().is_empty() || rig.shown() == [true, false]);
    }
}

/// The log had the act, the client's patience was over, and the upstream went on as before.
#[tokio::test]
async fn an_act_that_nobody_waits_for_any_more_is_done_to_its_end() {
    let rig = Rig::new();
    let asked = rig.acts.spawn(rig.ask(hold(true)));
    let (_, said) = rig.act().await;
    asked.abort();
    assert!(asked.await.is_err());
    said.send(Ok(Offset(1))).expect("somebody still waits for the log");
    rig.acts.close();
    rig.acts.wait().await;
    assert_eq!(rig.shown(), [true]);
}

#[tokio::test]
async fn a_change_of_accounts_is_in_the_log_before_it_is_in_the_file_or_in_force_and_one_that_fails_is_told_too() {
    let rig = Rig::new();
    let file = rig.folder.path().join("accounts.toml");
    let asked = rig.acts.spawn(rig.ask(Command::Accounts(Change::Token { device: "w-1".to_owned() })));
    let (deed, said) = rig.act().await;
    assert_eq!(deed, Deed::Account { name: "w-1".to_owned(), change: AccountChange::Token });
    assert!(!file.exists() && rig.desk.tools.accounts.accounts().is_empty());
    // Whoever asked is gone; the file and what is in force agree all the same.
    asked.abort();
    assert!(asked.await.is_err());
    said.send(Ok(Offset(1))).expect("somebody still waits for the log");
    until(|| rig.desk.tools.accounts.has_token("w-1").then_some(())).await;
    assert_eq!(auth::read(&file).unwrap(), rig.desk.tools.accounts.accounts());

    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let asked = rig.acts.spawn(rig.ask(Command::Accounts(Change::RemoveToken { device: "w-1".to_owned() })));
    for wanted in [AccountChange::TokenRemoved, AccountChange::NotMade] {
        let (deed, said) = rig.act().await;
        assert_eq!(deed, Deed::Account { name: "w-1".to_owned(), change: wanted });
        said.send(Ok(Offset(2))).unwrap();
    }
    assert!(matches!(asked.await.unwrap()[..], [Answer::Failed(_)]));
    assert!(rig.desk.tools.accounts.has_token("w-1"));

    let asked = rig.acts.spawn(rig.ask(Command::Accounts(Change::RemoveUser { name: "nobody".to_owned() })));
    assert!(matches!(asked.await.unwrap()[..], [Answer::Failed(_)]), "a change that is refused is no act");
    assert!(rig.come().is_none());
}
