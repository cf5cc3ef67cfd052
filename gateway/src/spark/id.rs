//! What names a spark, a message, for as long as there are any.

use crate::record::Mark;
use crate::store::identity::Identities;

/// The spark that a rule raised: `RULE:LOG-OFFSET`. `LOG-OFFSET` is the id of the message that told of it first.
pub fn spark_id(rule: &str, log_ids: &Identities, mark: Mark) -> String {
    format!("{rule}:{}-{}", log_ids.of(mark.epoch), mark.offset)
}
