//! The accounts as the file holds them: people, devices, roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use halo_proto::topic::id_is_valid;
use serde::{Deserialize, Serialize};

use super::rights::{Grants, Rights};

/// All accounts. Names of people and devices share one space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// What can be granted together.
    pub role: BTreeMap<Id, Role>,
    /// People and programs, by password.
    pub user: BTreeMap<Id, Account>,
    /// Devices, by token.
    pub device: BTreeMap<Id, Token>,
}

/// What can be granted together.
pub type Role = Grants;

/// A person or a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its password, hashed.
    pub password: Hash,
    /// Its roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Id>,
    /// What it may do beside.
    #[serde(default)]
    pub may: Grants,
}

/// A device's secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// SHA-256 of the token, hexadecimal.
    pub token_sha256: Digest,
}

/// A name of the form `[A-Za-z0-9._-]{1,64}`: no wildcard and no level can hide in it (CVE-2017-7650).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(Arc<str>);

/// An argon2id hash in the PHC string format; its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(Arc<str>);

/// A SHA-256; its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub(super) [u8; 32]);

impl Accounts {
    /// Nobody has one.
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.device.is_empty()
    }

    /// Checks what the single lines cannot show.
    ///
    /// # Errors
    /// A name used twice, or a role that does not exist.
    pub fn check(&self) -> Result<(), String> {
        if let Some(name) = self.user.keys().find(|name| self.device.contains_key(name.as_str())) {
            return Err(format!("{name:?} is a user and a device, a name can be one of them", name = name.as_str()));
        }
        for (name, account) in &self.user {
            if let Some(role) = account.roles.iter().find(|role| !self.role.contains_key(role.as_str())) {
                let (name, role) = (name.as_str(), role.as_str());
                return Err(format!("user {name:?} has role {role:?}, which does not exist"));
            }
        }
        Ok(())
    }

    /// What a person may do, roles resolved.
    pub(super) fn rights_of(&self, account: &Account, root: &str) -> Rights {
        let mut rights = Rights::none(root);
        rights.add(&account.may);
        account.roles.iter().filter_map(|role| self.role.get(role)).for_each(|role| rights.add(role));
        rights
    }
}

impl Id {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl std::borrow::Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match id_is_valid(&text) {
            true => Ok(Self(text.into())),
            false => Err(format!("{text:?} is no name: wanted [A-Za-z0-9._-]{{1,64}}")),
        }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.to_string()
    }
}

impl Hash {
    pub(super) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wanted = "password is not an argon2id hash: set it with `halo-gateway passwd USER`";
        if !text.starts_with("$argon2id$") {
            return Err(wanted);
        }
        let hash = PasswordHash::new(&text).map_err(|_| wanted)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(wanted);
        }
        Ok(Self(text.into()))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.0.to_string()
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wanted = "token_sha256 is not 64 hexadecimal digits: make one with `halo-gateway device token DEVICE`";
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(wanted);
        }
        for (at, byte) in digest.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or(wanted)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wanted)?;
        }
        Ok(Self(digest))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        super::secret::hex(&digest.0)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
