use super::*;
use crate::auth::{hash_password, new_token};
use crate::broker::Version;

const GRAMMAR_ROOT: &str = "halo/v1";

struct Rig {
    policy: AccountsPolicy,
    token: String,
}

/// `anna` (password `correct horse`) reads everything, `mute` (same password) was granted nothing, `w-1` is a device.
fn rig(required: bool) -> Rig {
    let token = new_token().unwrap();
    let hash = String::from(hash_password("correct horse").unwrap());
    let text = format!(
        "[role.reader]\nsubscribe = [\"halo/v1/#\"]\n[user.anna]\npassword = \"{hash}\"\nroles = [\"reader\"]\n\
         [user.mute]\npassword = \"{hash}\"\n[device.w-1]\ntoken_sha256 = \"{}\"\n",
        String::from(token.digest)
    );
    let grammar = Grammar::new(GRAMMAR_ROOT).unwrap();
    let policy = AccountsPolicy::new(grammar, toml::from_str(&text).unwrap(), required, Arc::default());
    Rig { policy: unhurried(policy), token: token.token }
}

impl Rig {
    async fn connect(&self, username: Option<&str>, password: Option<&str>, local: bool) -> Answer {
        self.connect_as("a-client", username, password, local).await
    }

    async fn connect_as(&self, id: &str, username: Option<&str>, password: Option<&str>, local: bool) -> Answer {
        let request = ConnectRequest {
            client_id: id,
            username,
            password: password.map(str::as_bytes),
            peer: "127.0.0.1:1".parse().unwrap(),
            local,
            version: Version::V5,
        };
        self.policy.connect(&request).await
    }
}

#[tokio::test]
async fn who_is_let_in() {
    let rig = rig(false);
    let token = rig.token.clone();
    let token = Some(token.as_str());
    let right = Some("correct horse");
    let table = [
        (Some("anna"), right, Ok(("anna", true))),
        (Some("anna"), Some("wrong horse"), Err(BAD_LOGIN)),
        (Some("anna"), Some(""), Err(BAD_LOGIN)),
        (Some("anna"), None, Err(BAD_LOGIN)),
        (Some("anna"), token, Err(BAD_LOGIN)),
        (Some("nobody"), right, Err(BAD_LOGIN)),
        (Some("+"), right, Err(BAD_LOGIN)),
        (Some("anna/#"), right, Err(BAD_LOGIN)),
        (None, right, Err(BAD_LOGIN)),
        (Some("w-1"), token, Ok(("w-1", true))),
        (None, token, Ok(("w-1", true))),
        (Some("w-2"), token, Err(BAD_LOGIN)),
        (Some("w-1"), right, Err(BAD_LOGIN)),
        (Some("w-1"), None, Err(BAD_LOGIN)),
    ];
    for local in [true, false] {
        for (username, password, expected) in table {
            let answer = rig.connect(username, password, local).await;
            let answer = answer.as_ref().map(|who| (&*who.name, who.grant.is_some())).map_err(|code| *code);
            assert_eq!(answer, expected, "{username:?} local {local}");
        }
    }
    assert_eq!(rig.connect(Some("someone"), None, true).await, Ok(Principal::anonymous("someone")));
    assert_eq!(rig.connect(None, None, true).await, Ok(Principal::anonymous("a-client")));
    assert_eq!(rig.connect(Some("someone"), None, false).await, Err(BAD_LOGIN));
    assert_eq!(rig.connect(None, None, false).await, Err(NOT_AUTHORIZED));
}

#[tokio::test]
async fn where_accounts_are_required_nobody_is_anonymous() {
    let rig = rig(true);
    assert_eq!(rig.connect(None, None, true).await, Err(NOT_AUTHORIZED));
    assert_eq!(rig.connect(Some("someone"), Some("something"), true).await, Err(BAD_LOGIN));
    assert!(rig.connect(Some("anna"), Some("correct horse"), true).await.is_ok());
    let nobody = AccountsPolicy::new(Grammar::new("halo/v1").unwrap(), Accounts::default(), true, Arc::default());
    let nobody = Rig { policy: unhurried(nobody), token: String::new() };
    assert_eq!(nobody.connect(Some("someone"), Some("something"), true).await, Err(BAD_LOGIN));
}

#[tokio::test]
async fn a_principal_may_do_what_its_account_says_and_nothing_once_it_has_changed() {
    let rig = rig(false);
    let device = rig.connect(Some("w-1"), Some(&rig.token), true).await.unwrap();
    let policy = &rig.policy;
    assert_eq!(policy.publish(&device, "halo/v1/d/w-1/t"), Ok(()));
    assert_eq!(policy.publish(&device, "halo/v1/d/w-2/t"), Err(NOT_AUTHORIZED));
    assert_eq!(policy.publish(&device, "halo/v1/d/w-1/cmd"), Err(NOT_AUTHORIZED), "the gateway's own");
    assert_eq!(policy.publish(&device, "home/lamp"), Err(NOT_AUTHORIZED));
    assert_eq!(policy.subscribe(&device, "halo/v1/halos/w-1"), Err(NOT_AUTHORIZED));
    assert!(policy.deliver(&device, "halo/v1/d/w-1/cmd") && !policy.deliver(&device, "halo/v1/halos/w-1"));
    let anyone = Principal::anonymous("anyone");
    assert_eq!(policy.publish(&anyone, "home/lamp"), Ok(()));

    let mut accounts = policy.book().accounts().clone();
    accounts.device.clear();
    policy.replace(accounts.clone());
    assert!(!policy.holds(&device) && !policy.deliver(&device, "halo/v1/d/w-1/cmd"));
    assert_eq!(policy.publish(&device, "halo/v1/d/w-1/t"), Err(NOT_AUTHORIZED));
    assert!(policy.holds(&anyone));
    let anna = rig.connect(Some("anna"), Some("correct horse"), true).await.unwrap();
    assert!(policy.deliver(&anna, "halo/v1/halos/w-1"));
    assert_eq!(policy.publish(&anna, "halo/v1/d/w-1/t"), Err(NOT_AUTHORIZED));
    accounts.role.values_mut().for_each(|role| *role = Default::default());
    policy.replace(accounts);
    assert!(!policy.holds(&anna));
    let mute = rig.connect(Some("mute"), Some("correct horse"), true).await.unwrap();
    assert_eq!(policy.subscribe(&mute, "#"), Err(NOT_AUTHORIZED));
}

#[tokio::test]
async fn passwords_beyond_a_short_queue_are_answered_busy_at_once() {
    let rig = rig(false);
    let held = Arc::clone(&rig.policy.0.waiting).acquire_many_owned(66).await.unwrap();
    assert_eq!(rig.connect(Some("anna"), Some("correct horse"), true).await, Err(SERVER_BUSY));
    assert!(rig.connect(Some("w-1"), Some(&rig.token), true).await.is_ok(), "tokens need no turn");
    drop(held);
    assert!(rig.connect(Some("anna"), Some("correct horse"), true).await.is_ok());
}

/// A token protected nothing on loopback: who gave no password published for the device, and took its client id.
#[tokio::test]
async fn on_loopback_nobody_without_its_password_is_or_speaks_for_a_device_that_has_an_account() {
    let rig = rig(false);
    let anyone = rig.connect(None, None, true).await.unwrap();
    for topic in ["halo/v1/d/w-1/t", "halo/v1/d/w-1/birth", "halo/v1/d/w-1/state", "halo/v1/d/anna/t"] {
        assert_eq!(rig.policy.publish(&anyone, topic), Err(NOT_AUTHORIZED), "{topic}");
    }
    for topic in ["halo/v1/d/w-2/t", "halo/v1/d/w-10/t", "home/halo/v1/d/w-1/t"] {
        assert_eq!(rig.policy.publish(&anyone, topic), Ok(()), "{topic}");
    }
    assert_eq!(rig.connect_as("w-1", None, None, true).await, Err(BAD_LOGIN));
    assert_eq!(rig.connect_as("w-1", Some("someone"), None, true).await, Err(BAD_LOGIN));
    assert!(rig.connect_as("w-1", None, Some(&rig.token), true).await.is_ok());

    let squatter = rig.connect_as("w-2", None, None, true).await.unwrap();
    let mut accounts = rig.policy.book().accounts().clone();
    let token = accounts.device["w-1"].clone();
    accounts.device.insert("w-2".to_owned().try_into().unwrap(), token);
    rig.policy.replace(accounts);
    assert!(!rig.policy.holds(&squatter), "its name has become an account's");
    assert!(rig.policy.holds(&anyone));
}

/// Wrong answers cost these tests no time.
fn unhurried(mut policy: AccountsPolicy) -> AccountsPolicy {
    Arc::get_mut(&mut policy.0).expect("nobody shares it yet").wrong_pause = Duration::ZERO;
    policy
}
