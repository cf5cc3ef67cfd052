//! What can be changed about the accounts, by whoever may.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::accounts::{Account, Accounts, Id, Role, Token};
use super::rights::Grants;
use super::secret::{hash_password, new_token};
use crate::record::{AccountChange, Deed};

/// One change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Makes a person's account or changes it; what is `None` stays.
    User {
        /// The name.
        name: String,
        /// Its new password; a new account needs one.
        password: Option<Password>,
        /// Its roles.
        roles: Option<Vec<String>>,
        /// What it may do beside.
        may: Option<Grants>,
    },
    /// Removes a person's account.
    RemoveUser {
        /// The name.
        name: String,
    },
    /// Makes a role or changes what it grants.
    Role {
        /// The name.
        name: String,
        /// What it grants.
        may: Grants,
    },
    /// Removes a role nobody has.
    RemoveRole {
        /// The name.
        name: String,
    },
    /// Gives a device a new token; the old one ends.
    Token {
        /// The device.
        device: String,
    },
    /// Takes a device's token away.
    RemoveToken {
        /// The device.
        device: String,
    },
}

/// A password on its way to be hashed; its `Debug` does not show it.
#[derive(Serialize, Deserialize)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// As a line of a log says it, without secrets.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name, password, roles, may } => {
                let password = password.as_ref().map(|_| "password set".to_owned());
                let roles = roles.as_ref().map(|roles| listed("roles", roles));
                let may = may.as_ref().map(|may| listed("may", &may.texts()));
                let said: Vec<String> = [password, roles, may].into_iter().flatten().collect();
                write!(f, "user {name}: {}", said.join("; "))
            }
            Self::RemoveUser { name } => write!(f, "user {name} removed"),
            Self::Role { name, may } => write!(f, "role {name}: {}", listed("may", &may.texts())),
            Self::RemoveRole { name } => write!(f, "role {name} removed"),
            Self::Token { device } => write!(f, "new token for device {device}"),
            Self::RemoveToken { device } => write!(f, "token of device {device} removed"),
        }
    }
}

fn listed(what: &str, all: &[String]) -> String {
    if all.is_empty() { format!("{what} nothing") } else { format!("{what} {}", all.join(", ")) }
}

impl Change {
    /// What is changed, without secrets, for the log.
    pub fn deed(&self) -> Deed {
        let (name, change) = match self {
            Self::User { name, password, roles, may } => {
                let (password, may) = (password.is_some(), may.as_ref().map(Grants::texts));
                (name, AccountChange::User { password, roles: roles.clone(), may })
            }
            Self::RemoveUser { name } => (name, AccountChange::UserRemoved),
            Self::Role { name, may } => (name, AccountChange::Role { may: may.texts() }),
            Self::RemoveRole { name } => (name, AccountChange::RoleRemoved),
            Self::Token { device } => (device, AccountChange::Token),
            Self::RemoveToken { device } => (device, AccountChange::TokenRemoved),
        };
        Deed::Account { name: name.clone(), change }
    }

    /// Makes the change; a new token, if there is one, is returned and kept nowhere. Hashes: not for the runtime.
    ///
    /// # Errors
    /// A sentence for whoever asked; nothing has changed.
    pub fn make(self, accounts: &mut Accounts) -> Result<Option<String>, String> {
        let mut changed = accounts.clone();
        let token = self.apply(&mut changed)?;
        changed.check()?;
        *accounts = changed;
        Ok(token)
    }

    fn apply(self, accounts: &mut Accounts) -> Result<Option<String>, String> {
        match self {
            Self::User { name, password, roles, may } => set_user(accounts, Id::try_from(name)?, password, roles, may)?,
            Self::RemoveUser { name } => {
                accounts.user.remove(name.as_str()).ok_or_else(|| format!("there is no user {name:?}"))?;
            }
            Self::Role { name, may } => {
                accounts.role.insert(Id::try_from(name)?, Role::clone(&may));
            }
            Self::RemoveRole { name } => {
                let has = |account: &Account| account.roles.iter().any(|role| role.as_str() == name);
                if let Some((user, _)) = accounts.user.iter().find(|(_, account)| has(account)) {
                    return Err(format!("user {:?} has role {name:?}: take it away first", user.as_str()));
                }
                accounts.role.remove(name.as_str()).ok_or_else(|| format!("there is no role {name:?}"))?;
            }
            Self::Token { device } => {
                let new = new_token().map_err(|error| error.to_string())?;
                accounts.device.insert(Id::try_from(device)?, Token { token_sha256: new.digest });
                return Ok(Some(new.token));
            }
            Self::RemoveToken { device } => {
                let removed = accounts.device.remove(device.as_str());
                removed.ok_or_else(|| format!("device {device:?} has no token"))?;
            }
        }
        Ok(None)
    }
}

fn set_user(
    accounts: &mut Accounts,
    name: Id,
    password: Option<Password>,
    roles: Option<Vec<String>>,
    may: Option<Grants>,
) -> Result<(), String> {
    let hash = password.map(|Password(text)| hash_password(&text)).transpose().map_err(|error| error.to_string())?;
    let roles = roles.map(|roles| roles.into_iter().map(Id::try_from).collect::<Result<Vec<_>, _>>()).transpose()?;
    let old = accounts.user.remove(name.as_str());
    let (old_password, old_roles, old_may) =
        old.map_or((None, None, None), |old| (Some(old.password), Some(old.roles), Some(old.may)));
    let missing = || format!("there is no user {:?}: make one with `halo-gateway passwd {0}`", name.as_str());
    let account = Account {
        password: hash.or(old_password).ok_or_else(missing)?,
        roles: roles.or(old_roles).unwrap_or_default(),
        may: may.or(old_may).unwrap_or_default(),
    };
    accounts.user.insert(name, account);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: Option<&str>, roles: Option<&[&str]>) -> Change {
        let roles = roles.map(|roles| roles.iter().map(|role| (*role).to_owned()).collect());
        let password = password.map(|text| Password(text.to_owned()));
        Change::User { name: name.to_owned(), password, roles, may: None }
    }

    #[test]
    fn accounts_are_made_changed_and_removed_and_a_refused_change_changes_nothing() {
        let mut accounts = Accounts::default();
        assert!(user("anna", None, None).make(&mut accounts).unwrap_err().contains("passwd anna"));
        assert!(user("anna", Some("short"), None).make(&mut accounts).unwrap_err().contains("8 characters"));
        assert!(user("an/na", Some("long enough"), None).make(&mut accounts).unwrap_err().contains("is no name"));
        assert!(user("anna", Some("long enough"), Some(&["chief"])).make(&mut accounts).is_err());
        assert_eq!(accounts, Accounts::default());
        Change::Role { name: "chief".into(), may: Grants::default() }.make(&mut accounts).unwrap();
        user("anna", Some("long enough"), Some(&["chief"])).make(&mut accounts).unwrap();
        let before = accounts.user["anna"].clone();
        user("anna", None, None).make(&mut accounts).unwrap();
        assert_eq!(accounts.user["anna"], before, "what is not said stays");
        user("anna", Some("another one"), None).make(&mut accounts).unwrap();
        assert_ne!(accounts.user["anna"].password, before.password);
        assert!(Change::RemoveRole { name: "chief".into() }.make(&mut accounts).unwrap_err().contains("anna"));
        assert!(Change::Token { device: "anna".into() }.make(&mut accounts).is_err(), "one name, one account");
        let token = Change::Token { device: "w-1".into() }.make(&mut accounts).unwrap();
        assert_eq!(token.map(|token| token.len()), Some(32));
        Change::RemoveToken { device: "w-1".into() }.make(&mut accounts).unwrap();
        Change::RemoveUser { name: "anna".into() }.make(&mut accounts).unwrap();
        Change::RemoveRole { name: "chief".into() }.make(&mut accounts).unwrap();
        assert_eq!(accounts, Accounts::default());
        assert!(Change::RemoveUser { name: "anna".into() }.make(&mut accounts).is_err());
    }

    /// The log said `User { name: "anna", password: Some(***), roles: Some(["reader"]), may: None }`.
    #[test]
    fn a_change_is_told_in_words() {
        let told = user("anna", Some("hunter22"), Some(&["reader", "chief"])).to_string();
        assert_eq!(told, "user anna: password set; roles reader, chief");
        let may: Grants = toml::from_str("publish = ['a/#']\nsubscribe = ['b']").unwrap();
        let told = Change::Role { name: "r".to_owned(), may }.to_string();
        assert_eq!(told, "role r: may publish a/#, subscribe b");
        let told = Change::Role { name: "r".to_owned(), may: Grants::default() }.to_string();
        assert_eq!(told, "role r: may nothing");
        assert_eq!(Change::Token { device: "w-1".to_owned() }.to_string(), "new token for device w-1");
    }

    #[test]
    fn a_password_is_not_shown_to_a_log() {
        let change = user("anna", Some("hunter22"), Some(&["reader"]));
        assert!(!format!("{change:?}").contains("hunter22"));
        let roles = Some(vec!["reader".to_owned()]);
        let change = AccountChange::User { password: true, roles, may: None };
        assert_eq!(
            user("anna", Some("hunter22"), Some(&["reader"])).deed(),
            Deed::Account { name: "anna".to_owned(), change }
        );
        let may: Grants = toml::from_str("publish = ['a/#']\nsubscribe = ['b']\ndevices = ['car-']").unwrap();
        let may = Change::Role { name: "r".to_owned(), may }.deed();
        let texts = ["publish a/#", "subscribe b", "devices car-"].map(str::to_owned).to_vec();
        assert_eq!(may, Deed::Account { name: "r".to_owned(), change: AccountChange::Role { may: texts } });
    }
}
