//! The file of a model: its bytes, checked before anything in them is believed.
//!
//! | bytes | what |
//! |---|---|
//! | 12 | `HALO-ENGINE\n` |
//! | 2 | format version, little endian |
//! | 4 | length of the body, little endian |
//! | 32 | SHA-256 of version, length and body |
//! | length | the body: a model in postcard |

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::model::{Model, Stored};

/// The format this build writes and reads.
pub(crate) const FORMAT_VERSION: u16 = 1;
/// Largest file read, bytes; every list in it is bounded besides.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;

/// Trained on train_FD001 with the default settings; a test trains it again.
const SHIPPED: &[u8] = include_bytes!("../../../../models/turbofan-fd001.model");

const MAGIC: &[u8; 12] = b"HALO-ENGINE\n";
const HEADER_BYTES: usize = 12 + 2 + 4 + 32;

/// Why a file is no model.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// Larger than any model.
    #[error("model file has {got} bytes, at most {FILE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        got: usize,
    },
    /// It ends within the header.
    #[error("model file ends after {got} bytes, its header alone has {HEADER_BYTES}")]
    NoHeader {
        /// Its length.
        got: usize,
    },
    /// Another kind of file.
    #[error("file does not begin as a model does")]
    Magic,
    /// Written by another version of this program.
    #[error("model file has format {got}, this build reads {FORMAT_VERSION}: train it again")]
    Version {
        /// What it says.
        got: u16,
    },
    /// Cut off, or with something behind.
    #[error("model file has a body of {got} bytes, its header says {said}")]
    Length {
        /// What there is.
        got: usize,
        /// What there should be.
        said: u32,
    },
    /// A bit is not as it was written.
    #[error("model file is damaged: its checksum does not match")]
    Checksum,
    /// The checksum matches, but the body has another shape.
    #[error("body of the model cannot be read: {0}")]
    Body(postcard::Error),
    /// Bytes after the model's end.
    #[error("body of the model has {0} bytes too many")]
    Behind(usize),
    /// A list that is empty or absurdly long.
    #[error("model has {got} {what} (at {at}), wanted {least} to {most}")]
    Count {
        /// Of what.
        what: &'static str,
        /// Which one, where there are several.
        at: usize,
        /// How many.
        got: usize,
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// A feature this build does not compute, or one of a sensor that is not scaled.
    #[error("feature {at} of the model is {name:?}, which this build does not have")]
    Feature {
        /// Position.
        at: usize,
        /// Its name.
        name: String,
    },
    /// A sensor nobody knows, or one named twice.
    #[error("sensor {at} of the model is {name:?}: unknown or named twice")]
    Sensor {
        /// Position.
        at: usize,
        /// Its name.
        name: String,
    },
    /// A tree that cannot be walked.
    #[error("node {node} of tree {tree} has {what}")]
    Tree {
        /// Which tree.
        tree: usize,
        /// Which node.
        node: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A number that makes no sense where it stands.
    #[error("model has a senseless value in {what} (at {at})")]
    Value {
        /// Where.
        what: &'static str,
        /// Which one, where there are several.
        at: usize,
    },
}

impl ModelError {
    pub(super) fn at(mut self, which: usize) -> Self {
        if let Self::Count { at, .. } | Self::Value { at, .. } = &mut self {
            *at = which;
        }
        self
    }
}

impl Model {
    /// The model this build carries, of the engines of C-MAPSS FD001.
    ///
    /// # Errors
    /// Never, while the tests pass.
    pub(crate) fn shipped() -> Result<Self, ModelError> {
        Self::read(SHIPPED)
    }

    /// Reads the bytes of a model file. Memory is bounded by a few times [`FILE_BYTES_MAX`].
    ///
    /// # Errors
    /// Whatever is wrong with it, first things first; nothing in a damaged file is believed.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        let body = checked_body(bytes)?;
        let (stored, behind): (Stored, _) = postcard::take_from_bytes(body).map_err(ModelError::Body)?;
        if !behind.is_empty() {
            return Err(ModelError::Behind(behind.len()));
        }
        Self::check(stored)
    }

    /// The bytes of its file; the same for the same model.
    ///
    /// # Errors
    /// When it is larger than a file may be.
    #[cfg(any(test, feature = "train"))]
    pub(crate) fn write(&self) -> Result<Vec<u8>, ModelError> {
        let body = postcard::to_stdvec(self.stored()).map_err(ModelError::Body)?;
        let too_long = || ModelError::TooLong { got: body.len() };
        let length = u32::try_from(body.len()).map_err(|_too_long| too_long())?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(checksum(FORMAT_VERSION, length, &body));
        bytes.extend(&body);
        if bytes.len() > FILE_BYTES_MAX { Err(too_long()) } else { Ok(bytes) }
    }
}

fn checked_body(bytes: &[u8]) -> Result<&[u8], ModelError> {
    let got = bytes.len();
    if got > FILE_BYTES_MAX {
        return Err(ModelError::TooLong { got });
    }
    if !bytes.iter().zip(MAGIC).all(|(byte, magic)| byte == magic) {
        return Err(ModelError::Magic);
    }
    let short = || ModelError::NoHeader { got };
    let (_, rest) = bytes.split_first_chunk::<{ MAGIC.len() }>().ok_or_else(short)?;
    let (version, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (sum, body) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let (version, length) = (u16::from_le_bytes(*version), u32::from_le_bytes(*length));
    if version != FORMAT_VERSION {
        return Err(ModelError::Version { got: version });
    }
    if usize::try_from(length) != Ok(body.len()) {
        return Err(ModelError::Length { got: body.len(), said: length });
    }
    if checksum(version, length, body) != *sum {
        return Err(ModelError::Checksum);
    }
    Ok(body)
}

fn checksum(version: u16, length: u32, body: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(version.to_le_bytes());
    sha.update(length.to_le_bytes());
    sha.update(body);
    sha.finalize().into()
}
