//! The accounts as they are looked up: by name, and by the digest of a token.

use std::collections::HashMap;
use std::sync::Arc;

use super::accounts::Accounts;
use super::rights::{Grants, Rights, branch};

/// Accounts in force. A grant is a number that one account keeps for as long as nothing about it changes.
#[derive(Debug, Default)]
pub struct Book {
    accounts: Accounts,
    root: Arc<str>,
    entries: HashMap<Arc<str>, Entry>,
    tokens: HashMap<[u8; 32], Arc<str>>,
    last_grant: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) grant: u64,
    pub(super) rights: Rights,
    /// A person's; devices have none.
    pub(super) password: Option<Arc<str>>,
    /// What the grant stands for.
    stands_for: StandsFor,
}

#[derive(Debug, PartialEq)]
struct StandsFor {
    secret: String,
    grants: Vec<Grants>,
}

impl Book {
    /// The first issue.
    pub fn new(accounts: Accounts, root: &str) -> Self {
        Self { root: root.into(), ..Self::default() }.revised(accounts)
    }

    /// The next issue: accounts that did not change keep their grant.
    #[must_use]
    pub fn revised(&self, accounts: Accounts) -> Self {
        let mut next = Self { root: Arc::clone(&self.root), last_grant: self.last_grant, ..Self::default() };
        for (name, account) in &accounts.user {
            let roles = account.roles.iter().filter_map(|role| accounts.role.get(role));
            let stands_for = StandsFor {
                secret: String::from(account.password.clone()),
                grants: std::iter::once(&account.may).chain(roles).cloned().collect(),
            };
            let rights = accounts.rights_of(account, &self.root);
            let password = Some(account.password.shared());
            next.enter(self, name.shared(), Entry { grant: 0, rights, password, stands_for });
        }
        for (name, device) in &accounts.device {
            let stands_for = StandsFor { secret: String::from(device.token_sha256.clone()), grants: Vec::new() };
            let mut rights = Rights::none(&self.root);
            rights.add_device(name.as_str());
            next.tokens.insert(device.token_sha256.0, name.shared());
            next.enter(self, name.shared(), Entry { grant: 0, rights, password: None, stands_for });
        }
        next.accounts = accounts;
        next
    }

    fn enter(&mut self, before: &Self, name: Arc<str>, mut entry: Entry) {
        let unchanged = before
            .entries
            .get(&name)
            .filter(|old| old.stands_for == entry.stands_for && old.password.is_some() == entry.password.is_some());
        entry.grant = unchanged.map_or_else(
            || {
                self.last_grant += 1;
                self.last_grant
            },
            |old| old.grant,
        );
        self.entries.insert(name, entry);
    }

    /// What the file holds.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whether `topic`, a checked name, is below a device that has an account of its own.
    pub(super) fn is_of_an_account(&self, topic: &str) -> bool {
        branch(&self.root, topic).is_some_and(|(device, _)| self.entries.contains_key(device))
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Whose token this is the digest of.
    pub(super) fn token(&self, digest: &[u8; 32]) -> Option<(&Arc<str>, &Entry)> {
        let name = self.tokens.get(digest)?;
        Some((name, self.entries.get(name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(text: &str) -> Accounts {
        toml::from_str(text).unwrap()
    }

    fn device(id: &str, digit: &str) -> String {
        format!("[device.{id}]\ntoken_sha256 = \"{}\"\n", digit.repeat(64))
    }

    fn grant(book: &Book, name: &str) -> Option<u64> {
        book.entry(name).map(|entry| entry.grant)
    }

    #[test]
    fn an_account_keeps_its_grant_until_something_about_it_changes_and_no_grant_comes_back() {
        let first = Book::new(accounts(&(device("a", "1") + &device("b", "2"))), "halo/v1");
        let second = first.revised(accounts(&(device("a", "1") + &device("b", "3"))));
        assert_eq!(grant(&first, "a"), grant(&second, "a"));
        assert_ne!(grant(&first, "b"), grant(&second, "b"));
        let third = second.revised(accounts(&device("b", "3")));
        assert_eq!(grant(&third, "a"), None);
        let fourth = third.revised(accounts(&(device("a", "1") + &device("b", "3"))));
        assert!(grant(&fourth, "a") > grant(&second, "b"), "removed and made again is another account");
        assert!(fourth.token(&[0x33; 32]).is_some() && fourth.token(&[0x22; 32]).is_none());
    }

    #[test]
    fn a_role_that_changes_changes_the_accounts_that_have_it() {
        let hash = String::from(crate::auth::hash_password("password1").unwrap());
        let text = |filter: &str| {
            format!(
                "[role.r]\nsubscribe = [\"{filter}\"]\n[user.anna]\npassword = \"{hash}\"\nroles = [\"r\"]\n[user.ben]\npassword = \"{hash}\"\n"
            )
        };
        let first = Book::new(accounts(&text("a")), "halo/v1");
        let second = first.revised(accounts(&text("b")));
        assert_ne!(grant(&first, "anna"), grant(&second, "anna"));
        assert_eq!(grant(&first, "ben"), grant(&second, "ben"));
        assert!(second.entry("anna").unwrap().rights.may_subscribe("b"));
    }
}
