//! The rules, one function each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::input::{Frame, Identity, Ledger, Log, Passed, Received};
use crate::report::{Fate, Report, Rule};

const NAMES: [&str; 9] = [
    "acknowledged-is-stored",
    "stored-once",
    "every-frame-has-one-fate",
    "account-adds-up",
    "received-was-stored",
    "one-content-per-mid",
    "one-mid-per-frame",
    "order",
    "bad-is-set-aside",
];

/// Holds the inputs against every rule. `upstreams` by the consumer's name in the log; `drained`: nothing may be
/// pending any more.
pub fn check(ledger: &Ledger, log: &Log, upstreams: &BTreeMap<String, Received>, drained: bool) -> Report {
    let mut report = Report { sent: ledger.0.len() as u64, ..Report::default() };
    report.rules.extend(NAMES.map(|name| (name, Rule::default())));
    report.acknowledged = ledger.0.values().filter(|sent| sent.acknowledged).count() as u64;
    let stored = stored_once(&mut report, log);
    acknowledged_is_stored(&mut report, ledger, log, &stored, upstreams);
    for (name, received) in upstreams {
        one_content_per_mid(&mut report, name, received);
        one_mid_per_frame(&mut report, name, received);
        order(&mut report, name, received, log);
        received_was_stored(&mut report, name, received, log);
        bad_is_set_aside(&mut report, name, received, ledger);
        let fate = every_frame_has_one_fate(&mut report, name, received, log, drained);
        report.upstreams.insert(name.clone(), fate);
    }
    report
}

fn stored_once<'a>(report: &mut Report, log: &'a Log) -> HashMap<&'a Identity, &'a Frame> {
    let mut stored = HashMap::new();
    for frame in log.frames.values() {
        // What was set aside cannot be read: the identity it shows may be another frame's.
        let is_readable = !log.quarantined.contains(&frame.offset);
        if let Some(identity) = frame.identity.as_ref().filter(|_| is_readable) {
            let before = stored.insert(identity, frame).map(|before: &Frame| before.offset);
            let complaint = before.map(|before| format!("{identity:?} at offsets {before} and {}", frame.offset));
            report.hold("stored-once", complaint);
        }
    }
    stored
}

fn acknowledged_is_stored(
    report: &mut Report,
    ledger: &Ledger,
    log: &Log,
    stored: &HashMap<&Identity, &Frame>,
    upstreams: &BTreeMap<String, Received>,
) {
    let begins_later = log.first.is_some_and(|first| first > 1);
    let arrived: Vec<BTreeSet<&Identity>> =
        upstreams.values().map(|it| it.messages.iter().filter_map(|it| it.identity.as_ref()).collect()).collect();
    // What is spoiled may not tell which frame it is; its bytes do.
    let raw: BTreeSet<(&str, u32)> = log.frames.values().map(|frame| (frame.device.as_str(), frame.crc)).collect();
    let is_set_aside = |frame: &&Frame| log.quarantined.contains(&frame.offset);
    let set_aside: BTreeSet<(&str, u32)> =
        log.frames.values().filter(is_set_aside).map(|frame| (frame.device.as_str(), frame.crc)).collect();
    for (identity, sent) in ledger.0.iter().filter(|(_, sent)| sent.acknowledged) {
        let everywhere = || !arrived.is_empty() && arrived.iter().all(|arrived| arrived.contains(identity));
        let complaint = match stored.get(identity) {
            Some(frame) if frame.crc == sent.crc => None,
            _ if sent.bad && raw.contains(&(identity.0.as_str(), sent.crc)) => None,
            Some(frame) => Some(format!("{identity:?} at offset {} has other bytes than were sent", frame.offset)),
            // It waits for a birth, or cannot be read: its bytes are kept, under the identity it shows.
            None if set_aside.contains(&(identity.0.as_str(), sent.crc)) => None,
            None if log.lists_as_dropped(identity) || (begins_later && everywhere()) => None,
            None => Some(format!("{identity:?} was acknowledged and is not there")),
        };
        report.hold("acknowledged-is-stored", complaint);
    }
}

fn one_content_per_mid(report: &mut Report, upstream: &str, received: &Received) {
    let mut contents = HashMap::new();
    let readings = received.messages.iter().map(|message| (&message.mid, &message.content));
    for (mid, content) in readings.chain(received.others.iter().map(|(mid, document)| (mid, document))) {
        let first = *contents.entry(mid).or_insert(content);
        let complaint = (first != content).then(|| format!("{upstream}: {mid} came with two contents"));
        report.hold("one-content-per-mid", complaint);
    }
}

fn one_mid_per_frame(report: &mut Report, upstream: &str, received: &Received) {
    let mut mids = HashMap::new();
    for message in &received.messages {
        if let Some(identity) = &message.identity {
            let first = *mids.entry(identity).or_insert(&message.mid);
            let complaint = (*first != message.mid)
                .then(|| format!("{upstream}: {identity:?} came as {first} and as {}", message.mid));
            report.hold("one-mid-per-frame", complaint);
        }
    }
}

fn order(report: &mut Report, upstream: &str, received: &Received, log: &Log) {
    let mut seen = BTreeSet::new();
    let mut newest: HashMap<(&str, &str), u64> = HashMap::new();
    for message in &received.messages {
        let is_first = seen.insert(message.offset);
        let newest = newest.entry((&message.device, &message.lane)).or_default();
        let goes_by = log.goes_by(message.offset);
        let complaint = (is_first && goes_by < *newest)
            .then(|| format!("{upstream}: {} came after offset {newest} of the same device and lane", message.mid));
        *newest = (*newest).max(goes_by);
        report.hold("order", complaint);
    }
}

fn received_was_stored(report: &mut Report, upstream: &str, received: &Received, log: &Log) {
    let first = log.first.unwrap_or(1);
    for message in received.messages.iter().filter(|message| message.offset >= first) {
        let is_stored = log.frames.get(&message.offset);
        let is_stored = is_stored.is_some_and(|frame| message.identity.is_none() || frame.identity == message.identity);
        let complaint = (!is_stored).then(|| format!("{upstream}: {} is not in the log", message.mid));
        report.hold("received-was-stored", complaint);
    }
}

fn bad_is_set_aside(report: &mut Report, upstream: &str, received: &Received, ledger: &Ledger) {
    for identity in received.messages.iter().filter_map(|message| message.identity.as_ref()) {
        if let Some(sent) = ledger.0.get(identity) {
            let complaint = sent.bad.then(|| format!("{upstream}: {identity:?} was spoiled and came as readings"));
            report.hold("bad-is-set-aside", complaint);
        }
    }
}

/// Also holds the cursor's own account against the frames it has passed, when the log is there from its beginning.
fn every_frame_has_one_fate(
    report: &mut Report,
    upstream: &str,
    received: &Received,
    log: &Log,
    drained: bool,
) -> Fate {
    let arrived: BTreeSet<u64> = received.messages.iter().map(|message| message.offset).collect();
    let repeats = received.messages.len().saturating_sub(arrived.len()) as u64;
    let cursor = log.cursors.get(upstream).cloned().unwrap_or_default();
    let mut fate = Fate { stored: log.frames.len() as u64, repeats, ..Fate::default() };
    for frame in log.frames.values() {
        // A frame read again from quarantine is done with when the record that says so is.
        let goes_by = log.goes_by(frame.offset);
        let is_dropped = || frame.identity.as_ref().is_some_and(|identity| log.lists_as_dropped(identity));
        let is_done_with = drained || cursor.covers(goes_by);
        let has_arrived = arrived.contains(&frame.offset);
        let class = if has_arrived {
            &mut fate.forwarded
        } else if log.quarantined.contains(&frame.offset) {
            &mut fate.quarantined
        } else if is_dropped() {
            &mut fate.dropped
        } else if is_done_with {
            &mut fate.missing
        } else {
            &mut fate.pending
        };
        *class += 1;
        let is_missing = is_done_with && !has_arrived;
        let is_missing = is_missing && !log.quarantined.contains(&frame.offset) && !is_dropped();
        let complaint = is_missing
            .then(|| format!("{upstream}: offset {} ({:?}) is done with and nowhere", frame.offset, frame.identity));
        report.hold("every-frame-has-one-fate", complaint);
    }
    if log.first == Some(1) && log.cursors.contains_key(upstream) {
        account_adds_up(report, upstream, &cursor, log);
    }
    fate
}

fn account_adds_up(report: &mut Report, upstream: &str, cursor: &Passed, log: &Log) {
    let passed = log.frames.keys().filter(|offset| cursor.covers(**offset)).count() as u64;
    let (forwarded, quarantined, dropped) = cursor.account;
    let complaint = (forwarded + quarantined + dropped != passed).then(|| {
        format!(
            "{upstream}: {forwarded} forwarded + {quarantined} quarantined + {dropped} dropped, but {passed} frames are passed"
        )
    });
    report.hold("account-adds-up", complaint);
}
