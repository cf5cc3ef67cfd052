//! SenML-JSON (RFC 8428).

use super::readings::{Readings, Unreadable};
use super::schemas::Schemas;

pub(super) fn read(_: &[u8], _: i64, _: &Schemas, _: &mut Readings) -> Result<(), Unreadable> {
    Err(Unreadable::Json("SenML is not read yet".into()))
}
