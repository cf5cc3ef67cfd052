//! What devices prove themselves with, by the key file; and what becomes of a payload by it.
//!
//! The verdict is made once, at the head, and stands in the frame's record as its [`Format`]: a replay needs no keys and
//! cannot judge otherwise. A frame with a code but without a key here is read as one without: it is not verified, and its
//! record does not say it was.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use halo_proto::frame::{self, Item};
use halo_proto::mac::{ED25519_KEY_LEN, SECRET_LEN_MAX, SECRET_LEN_MIN, VerifyingKey, verify};
use halo_proto::topic;
use serde::{Deserialize, Serialize};

use super::readings::Unreadable;
use crate::record::Format;

/// Largest key file taken: 100,000 devices need about 15 MB.
const BYTES_MAX: u64 = 64 << 20;

/// What telemetry is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File of the devices' keys: for each `[device.<id>]` its `kind` (`mac8`, `mac16` or `ed25519`), its `key` in
    /// hexadecimal digits (a shared secret of 16 to 64 bytes, or a public key of 32) and, if it may also send without a
    /// code, `required = false`. Read at the start. Default: none, no code is verified.
    pub keys: Option<PathBuf>,
}

impl Config {
    /// The keys.
    ///
    /// # Errors
    /// [`KeysError`]: a file that is not right in every line is not taken.
    pub fn read_keys(&self) -> Result<Keys, KeysError> {
        self.keys.as_deref().map_or_else(|| Ok(Keys::default()), read)
    }
}

/// Why a key file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Others may read or write it.
    #[error("keys {path}: others may read or write it (mode {mode:04o}): chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Something in it is wrong; `message` names line and column, or the device.
    #[error("keys {path}: {message}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The system says so.
    #[error("keys {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The keys of all devices that have one.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, DeviceKey>);

#[derive(Debug)]
struct DeviceKey {
    secret: Secret,
    required: bool,
}

enum Secret {
    Mac8(Vec<u8>),
    Mac16(Vec<u8>),
    Ed25519([u8; ED25519_KEY_LEN]),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    #[serde(default)]
    device: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Kind,
    key: String,
    #[serde(default = "yes")]
    required: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Mac8,
    Mac16,
    Ed25519,
}

fn yes() -> bool {
    true
}

impl Keys {
    /// The format to store a payload of `device` under: what its first byte says, or what its code makes of that.
    pub(super) fn judge(&self, device: &str, format: Format, payload: &[u8]) -> Format {
        let Some(key) = self.0.get(device) else { return format };
        let code = (format == Format::Tf1).then(|| code_of(payload)).flatten();
        match code {
            Some(code) if verify(&code, device, key.secret.verifying()) => Format::Proven,
            Some(_) => Format::Unproven,
            None if key.required => Format::Unproven,
            None => format,
        }
    }
}

/// The authentication code of a native frame.
fn code_of(payload: &[u8]) -> Option<frame::Mac<'_>> {
    match frame::Frame::new_checked(payload).ok()?.items().last()? {
        Item::Mac(code) => Some(code),
        _ => None,
    }
}

/// What was wrong with an unproven payload: all that can be told without its key.
pub(super) fn why_unproven(payload: &[u8]) -> Unreadable {
    if code_of(payload).is_some() { Unreadable::WrongCode } else { Unreadable::NoCode }
}

impl Secret {
    fn new(kind: Kind, key: &str) -> Result<Self, String> {
        let bytes = from_hex(key).ok_or("its key is not an even number of hexadecimal digits")?;
        let len = bytes.len();
        if let Kind::Ed25519 = kind {
            let wanted = |_| format!("its key has {len} bytes, an Ed25519 public key has {ED25519_KEY_LEN}");
            return bytes.try_into().map(Self::Ed25519).map_err(wanted);
        }
        if !(SECRET_LEN_MIN..=SECRET_LEN_MAX).contains(&len) {
            return Err(format!("its key has {len} bytes, wanted {SECRET_LEN_MIN} to {SECRET_LEN_MAX}"));
        }
        Ok(if let Kind::Mac8 = kind { Self::Mac8(bytes) } else { Self::Mac16(bytes) })
    }

    fn verifying(&self) -> VerifyingKey<'_> {
        match self {
            Self::Mac8(secret) => VerifyingKey::Mac8(secret),
            Self::Mac16(secret) => VerifyingKey::Mac16(secret),
            Self::Ed25519(public) => VerifyingKey::Ed25519(public),
        }
    }
}

/// Reads a key file: unlike the accounts it has to be there once it is named.
fn read(path: &Path) -> Result<Keys, KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    let content = |message: String| KeysError::Content { path: path.to_owned(), message };
    let mut file = File::open(path).map_err(failed)?;
    let (mode, len) = file.metadata().map(|metadata| (metadata.mode() & 0o7777, metadata.len())).map_err(failed)?;
    if mode & 0o077 != 0 {
        return Err(KeysError::Open { path: path.to_owned(), mode });
    }
    if len > BYTES_MAX {
        return Err(content(format!("it has {len} bytes, limit is {BYTES_MAX}")));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let in_file: InFile = toml::from_str(&text).map_err(|error| content(without_secrets(&error, &text)))?;
    let keys = in_file.device.into_iter().map(|(device, entry)| {
        let fault = |problem: String| content(format!("device {device:?}: {problem}"));
        if !topic::id_is_valid(&device) {
            return Err(fault("not of the form [A-Za-z0-9._-]{1,64}".to_owned()));
        }
        let secret = Secret::new(entry.kind, &entry.key).map_err(fault)?;
        Ok((device, DeviceKey { secret, required: entry.required }))
    });
    keys.collect::<Result<_, _>>().map(Keys)
}

/// Place and words of the parser, without the line itself: it may hold a secret.
fn without_secrets(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len().is_multiple_of(2))?;
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).ok();
    nibbles.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use halo_proto::frame::{FrameWriter, Header};
    use halo_proto::mac::{SealingKey, public_key, seal};

    use super::*;

    const SECRET: [u8; 16] = [0x0f; 16];
    const SEED: [u8; 32] = [7; 32];

    fn keys(text: &str) -> Result<Keys, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|error| error.to_string())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn frame(device: &str, key: Option<SealingKey<'_>>) -> Vec<u8> {
        let mut out = [0; 256];
        let writer = FrameWriter::new(&mut out, &Header { schema: 1, boot: 1, seq: 1, t0_ms: 0 }).unwrap();
        match key {
            Some(key) => seal(writer, device, key).unwrap().to_vec(),
            None => writer.finish().to_vec(),
        }
    }

    #[test]
    fn a_payload_is_judged_by_its_devices_key() {
        let (secret, public) = (hex(&SECRET), hex(&public_key(&SEED)));
        let keys = keys(&format!(
            "[device.must]\nkind='mac8'\nkey='{secret}'\n[device.may]\nkind='mac16'\nkey='{secret}'\nrequired=false\n\
             [device.signs]\nkind='ed25519'\nkey='{public}'\n"
        ))
        .unwrap();
        let judged = |device, key| keys.judge(device, Format::Tf1, &frame(device, key));
        assert_eq!(judged("must", Some(SealingKey::Mac8(&SECRET))), Format::Proven);
        assert_eq!(judged("must", None), Format::Unproven);
        assert_eq!(judged("must", Some(SealingKey::Mac16(&SECRET))), Format::Unproven, "another kind");
        assert_eq!(judged("may", Some(SealingKey::Mac16(&SECRET))), Format::Proven);
        assert_eq!(judged("may", None), Format::Tf1);
        assert_eq!(
            judged("may", Some(SealingKey::Mac16(&[1; 16]))),
            Format::Unproven,
            "wrong although it may be absent"
        );
        assert_eq!(judged("signs", Some(SealingKey::Ed25519(&SEED))), Format::Proven);
        assert_eq!(judged("signs", Some(SealingKey::Ed25519(&[8; 32]))), Format::Unproven);
        assert_eq!(judged("stranger", Some(SealingKey::Mac8(&SECRET))), Format::Tf1, "no key, no verdict");
        let others = frame("may", Some(SealingKey::Mac8(&SECRET)));
        assert_eq!(keys.judge("must", Format::Tf1, &others), Format::Unproven, "another device's frame");
        for format in [Format::Json, Format::Senml, Format::Unknown] {
            assert_eq!(keys.judge("must", format, b"{}"), Format::Unproven, "no code, whatever the format");
            assert_eq!(keys.judge("may", format, b"{}"), format);
        }
        assert_eq!(why_unproven(&others), Unreadable::WrongCode);
        assert_eq!(why_unproven(b"{}"), Unreadable::NoCode);
    }

    #[test]
    fn a_key_file_that_is_wrong_anywhere_is_refused_without_repeating_its_secrets() {
        let long = "ab".repeat(65);
        let bad = [
            ("[device.w]\nkind='mac8'\nkey='abcdef'\n".to_owned(), "3 bytes, wanted 16 to 64"),
            (format!("[device.w]\nkind='mac16'\nkey='{long}'\n"), "65 bytes"),
            ("[device.w]\nkind='ed25519'\nkey='0f0f'\n".to_owned(), "2 bytes, an Ed25519 public key has 32"),
            ("[device.w]\nkind='mac8'\nkey='hunter2!'\n".to_owned(), "hexadecimal"),
            ("[device.w]\nkind='mac8'\nkey='abc'\n".to_owned(), "even number"),
            ("[device.'a/b']\nkind='mac8'\nkey='ab'\n".to_owned(), "A-Za-z0-9"),
            ("[device.w]\nkind='hunter2!'\nkey='ab'\n".to_owned(), "line 2"),
            ("[device.w]\nkind='mac8'\nkey='ab'\nrequird=true\n".to_owned(), "line 4"),
            ("[devices.w]\n".to_owned(), "line 1"),
        ];
        for (text, words) in bad {
            let error = keys(&text).unwrap_err();
            assert!(error.contains(words), "{text:?} gave {error}");
            assert!(!error.contains(&long), "{error}");
        }
        assert!(read(Path::new("/nowhere/keys.toml")).is_err(), "once named it has to be there");
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.contains("mode 0640") && error.contains("chmod 600"), "{error}");
        assert_eq!(format!("{:?}", Secret::Mac8(vec![1])), "***");
    }
}
