use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Receiver, sync_channel};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::*;
use crate::broker::{Mailbox, Outcome};
use crate::record::{Body, GatewayTime};

fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn door(places: usize) -> (Inlet, Receiver<Submission>, Arc<Gate>) {
    let (queue, inbox) = sync_channel(places);
    let gate = Arc::new(Gate::default());
    (Inlet::new(queue, Arc::clone(&gate), Grammar::default()), inbox, gate)
}

fn inbound(mailbox: &Arc<Mailbox>, topic: &str, retain: bool) -> Inbound {
    Inbound {
        session: SessionKey(1),
        client_id: "pi".into(),
        principal: "pi".into(),
        topic: topic.into(),
        payload: Bytes::from_static(b"{\"x\":1}"),
        qos: 1,
        retain,
        will: false,
        arrival: GatewayTime::default(),
        receipt: Receipt::new(Arc::clone(mailbox), 0),
    }
}

const TELEMETRY: &str = "halo/v1/d/pi/t";

#[test]
fn telemetry_and_what_is_retained_goes_to_the_log_and_the_rest_does_not() {
    let (inlet, inbox, _) = door(8);
    let mailbox = Arc::default();
    assert_eq!(inlet.publish(inbound(&mailbox, TELEMETRY, false)).unwrap(), Disposition::Logged);
    assert_eq!(inlet.publish(inbound(&mailbox, "any/thing", true)).unwrap(), Disposition::Logged);
    assert_eq!(inlet.publish(inbound(&mailbox, "any/thing", false)).unwrap(), Disposition::Immediate);
    assert_eq!(inbox.try_iter().count(), 2);
}

#[test]
fn a_table_of_offers_is_taken_only_when_it_is_retained() {
    let (inlet, inbox, _) = door(8);
    let mailbox = Arc::default();
    let topic = "halo/v1/offers/shop/menu";
    assert_eq!(inlet.publish(inbound(&mailbox, topic, true)).unwrap(), Disposition::Logged);
    assert_eq!(inlet.publish(inbound(&mailbox, topic, false)).unwrap(), Disposition::Refused(TOPIC_NAME_INVALID));
    let submitted: Vec<Submission> = inbox.try_iter().collect();
    assert!(matches!(&submitted[..], [Submission::Publish(Publish { channel: Channel::Offers, .. }, _)]));
}

#[test]
fn a_publish_that_finds_the_owner_gone_is_lost_and_leaves_no_weight_behind() {
    let (inlet, inbox, gate) = door(8);
    let mailbox = Arc::default();
    assert!(inlet.publish(inbound(&mailbox, TELEMETRY, false)).is_ok());
    drop(inbox);
    for _ in 0..2 * SUBMISSIONS_MAX {
        assert_eq!(inlet.publish(inbound(&mailbox, TELEMETRY, false)).unwrap(), Disposition::Logged);
    }
    let outcomes = mailbox.collect().0;
    assert_eq!(outcomes.len(), 2 * SUBMISSIONS_MAX + 1);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Lost));
    assert!(gate.is_open());
}

#[test]
fn after_the_log_or_the_river_has_failed_every_publish_is_lost_although_the_gate_is_shut() {
    let (inlet, _inbox, gate) = door(8);
    let mailbox = Arc::default();
    gate.committing(Offset(1), crate::store::gate::UNFOLDED_BYTES_MAX);
    assert!(inlet.publish(inbound(&mailbox, TELEMETRY, false)).is_err());
    gate.fail();
    assert!(poll(inlet.ready()).is_ready());
    assert_eq!(inlet.publish(inbound(&mailbox, TELEMETRY, false)).unwrap(), Disposition::Logged);
    assert_eq!(mailbox.collect().0.last(), Some(&(0, Outcome::Lost)));
    assert_eq!(poll(inlet.appender().append(Body::Tick.into())), Poll::Ready(Err(AppendError::Closed)));
}

#[test]
fn an_append_waits_for_a_place_and_takes_it_when_there_is_one() {
    let (inlet, inbox, gate) = door(1);
    let appender = inlet.appender();
    inlet.session_ended(SessionKey(1));
    let mut append = pin!(appender.append(Body::Tick.into()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(append.as_mut().poll(&mut context).is_pending());
    assert!(matches!(inbox.try_recv(), Ok(Submission::SessionEnded(_))));
    gate.left(1, 0);
    assert!(append.as_mut().poll(&mut context).is_pending());
    let Ok(Submission::Append(_, done)) = inbox.try_recv() else { panic!("the record is submitted") };
    done.send(Ok(Offset(7))).unwrap();
    assert_eq!(append.as_mut().poll(&mut context), Poll::Ready(Ok(Offset(7))));
}
