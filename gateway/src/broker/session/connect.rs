//! Judging a CONNECT.

use std::sync::Arc;

use crate::broker::codec::{Connect, Version, Will};
use crate::broker::reason;
use crate::broker::seam::{Policy, Principal};
use crate::broker::topic::{check_name, is_server_topic};

/// Longest client id, bytes; 3.1.1 asks for at least 23.
const CLIENT_ID_BYTES_MAX: usize = 256;

/// Who connects, as far as the CONNECT and the policy say.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) client_id: Arc<str>,
    pub(super) assigned: bool,
    pub(super) principal: Principal,
}

/// The client id of a CONNECT that may be, or the reason code of its refusal; `spare_id` if it brings none.
pub(super) fn client_id(connect: &Connect, spare_id: &str) -> Result<Arc<str>, u8> {
    if connect.auth_method {
        return Err(reason::BAD_AUTH_METHOD);
    }
    let assigned = connect.client_id.is_empty();
    let nameless_but_lasting = assigned && connect.version == Version::V311 && !connect.clean;
    if nameless_but_lasting || connect.client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(reason::CLIENT_ID);
    }
    Ok(if assigned { Arc::from(spare_id) } else { Arc::clone(&connect.client_id) })
}

/// Accepts or refuses, with a reason code, a CONNECT whose sender is known.
pub(super) fn judge(
    connect: &Connect,
    client_id: Arc<str>,
    principal: Principal,
    policy: &dyn Policy,
) -> Result<Accepted, u8> {
    if let Some(will) = &connect.will {
        judge_will(will, connect.version, &principal, policy)?;
    }
    Ok(Accepted { client_id, assigned: connect.client_id.is_empty(), principal })
}

fn judge_will(will: &Will, version: Version, principal: &Principal, policy: &dyn Policy) -> Result<(), u8> {
    if will.qos > 1 && version == Version::V5 {
        return Err(reason::QOS_NOT_SUPPORTED);
    }
    if check_name(&will.topic).is_err() || is_server_topic(&will.topic) {
        return Err(reason::TOPIC_NAME_INVALID);
    }
    policy.publish(principal, &will.topic)
}
