//! Secrets: passwords of people, tokens of devices, and how they are compared.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest as _, Sha256};

use super::accounts::{Digest, Hash};

/// Least length of a password, characters (NIST SP 800-63B, 5.1.1.2).
const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, bytes.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// Why a password was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {PASSWORD_CHARS_MIN} characters at least and {PASSWORD_BYTES_MAX} bytes at most")]
    Length,
    /// The system gave no randomness, or no memory.
    #[error("hash the password: {0}")]
    System(String),
}

/// A token that was just made: the only time it is seen.
pub struct NewToken {
    /// 32 hexadecimal digits for the device.
    pub token: String,
    /// What is kept of it.
    pub digest: Digest,
}

/// Hashes a password with argon2id: about 35 ms and 19 MB, so never on the runtime.
///
/// # Errors
/// [`PasswordError`] by variant.
pub fn hash_password(password: &str) -> Result<Hash, PasswordError> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Length);
    }
    let system = |error: String| PasswordError::System(error);
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| system(error.to_string()))?;
    Hash::try_from(hash.to_string()).map_err(|error| system(error.to_owned()))
}

/// A token of 128 random bits.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_token() -> Result<NewToken, PasswordError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| PasswordError::System(error.to_string()))?;
    let token = hex(&bytes);
    let digest = Digest(digest(token.as_bytes()));
    Ok(NewToken { token, digest })
}

/// What a token is looked up by. Its bits are random, so how long the look-up takes tells nothing of use.
pub(super) fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Whether it is the password of the hash; `None` = nobody's, which takes as long and says no.
pub(super) fn is_password(password: &[u8], hash: Option<&str>) -> bool {
    let known = hash.is_some();
    let Some(hash) = hash.or_else(nobodys) else { return false };
    // Compared in constant time there.
    let fits = password.len() <= PASSWORD_BYTES_MAX && Argon2::default().verify_password(password, hash).is_ok();
    fits && known
}

/// A hash nobody has the password of, so that unknown names take as long as known ones.
fn nobodys<'a>() -> Option<&'a str> {
    static HASH: OnceLock<Option<String>> = OnceLock::new();
    HASH.get_or_init(|| Some(String::from(hash_password(&new_token().ok()?.token).ok()?))).as_deref()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let hash = String::from(hash_password("correct horse").unwrap());
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_password(b"correct horse", Some(&hash)));
        for wrong in [&b"correct hors"[..], b"", b"Correct horse", &[b'x'; 2_000]] {
            assert!(!is_password(wrong, Some(&hash)));
        }
        assert!(!is_password(b"correct horse", None));
        assert_ne!(hash, String::from(hash_password("correct horse").unwrap()), "salted");
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(hash_password("").is_err() && hash_password("1234567").is_err());
        assert!(hash_password(&"x".repeat(1_025)).is_err());
    }

    #[test]
    fn tokens_have_128_bits_and_are_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.token.len(), 32);
        assert_ne!(one.token, other.token);
        assert_eq!(digest(one.token.as_bytes()), one.digest.0);
    }
}
