//! Who may publish and subscribe where, while everybody is on this machine: anybody, except that the gateway's own
//! topics are the gateway's.

use halo_proto::topic::{Grammar, Topic};

use crate::broker::reason::{NOT_AUTHORIZED, TOPIC_NAME_INVALID};
use crate::broker::{ConnectRequest, Pending, Policy, Principal};

/// Anonymous clients on loopback may do everything but speak in the gateway's name (LOG.md, "Identity").
pub struct LoopbackPolicy {
    grammar: Grammar,
}

impl LoopbackPolicy {
    /// Judges topics of one root.
    pub fn new(grammar: Grammar) -> Self {
        Self { grammar }
    }
}

impl Policy for LoopbackPolicy {
    fn connect(&self, request: &ConnectRequest<'_>) -> Pending<'static, Result<Principal, u8>> {
        // Without a name of its own a client goes by its id; nothing is decided by it on loopback.
        let name = request.username.filter(|name| !name.is_empty()).unwrap_or(request.client_id);
        Box::pin(std::future::ready(Ok(Principal::anonymous(name))))
    }

    fn publish(&self, _: &Principal, topic: &str) -> Result<(), u8> {
        match self.grammar.parse(topic) {
            topic if topic.is_gateway_owned() => Err(NOT_AUTHORIZED),
            Topic::Invalid { .. } => Err(TOPIC_NAME_INVALID),
            _ => Ok(()),
        }
    }

    fn subscribe(&self, _: &Principal, _: &str) -> Result<(), u8> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(topic: &str) -> Result<(), u8> {
        let policy = LoopbackPolicy::new(Grammar::new("halo/v1").expect("valid"));
        policy.publish(&Principal::anonymous("anyone"), topic)
    }

    #[test]
    fn a_client_may_not_publish_in_the_gateways_name() {
        for topic in
            ["halo/v1/halos/anna", "halo/v1/readings/anna/w1", "halo/v1/gateway/gw/health", "halo/v1/sparks/a/r"]
        {
            assert_eq!(publish(topic), Err(NOT_AUTHORIZED), "{topic}");
        }
    }

    #[test]
    fn a_topic_of_our_root_outside_the_grammar_is_refused_and_foreign_ones_are_free() {
        assert_eq!(publish("halo/v1/d/bad device/t"), Err(TOPIC_NAME_INVALID));
        assert_eq!(publish("halo/v1/d/wrist-1/t"), Ok(()));
        assert_eq!(publish("home/kitchen/lamp"), Ok(()));
    }
}
