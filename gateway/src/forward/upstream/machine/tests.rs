use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const WINDOW: usize = 16;

fn fresh() -> Machine {
    Machine::new(WINDOW, &Progress::default(), true)
}

/// A log of frames, the receiver's memory, and a machine between them.
struct World {
    log: Vec<Fate>,
    machine: Machine,
    /// The cursor that is durable, and the one on its way.
    durable: Progress,
    writing: Option<Progress>,
    connected: bool,
    under_way: VecDeque<(Way, Offset)>,
    received: BTreeMap<Offset, u32>,
    /// Received in this life.
    fresh: BTreeSet<Offset>,
    last: BTreeMap<Way, Offset>,
    /// After each crash: what the life before had got through, and the next has to repeat.
    repeats: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Op {
    Append(u8),
    Connect,
    Pump(u8),
    Confirm(u8),
    ConfirmOutOfOrder(u8),
    Cut,
    WriteCursor,
    CursorDurable,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1_u8..120).prop_map(Op::Append),
        2 => Just(Op::Connect),
        4 => (1_u8..40).prop_map(Op::Pump),
        4 => (1_u8..40).prop_map(Op::Confirm),
        1 => any::<u8>().prop_map(Op::ConfirmOutOfOrder),
        1 => Just(Op::Cut),
        2 => Just(Op::WriteCursor),
        2 => Just(Op::CursorDurable),
        1 => Just(Op::Crash),
    ]
}

impl World {
    fn new() -> Self {
        Self {
            log: Vec::new(),
            machine: fresh(),
            durable: Progress::default(),
            writing: None,
            connected: false,
            under_way: VecDeque::new(),
            received: BTreeMap::new(),
            fresh: BTreeSet::new(),
            last: BTreeMap::new(),
            repeats: Vec::new(),
        }
    }

    fn known(&self) -> Offset {
        Offset(self.log.len() as u64)
    }

    fn fate(&self, offset: Offset) -> Option<Fate> {
        self.log.get((offset.0 as usize).checked_sub(1)?).copied()
    }

    fn fate_on(&self, way: Way, offset: Offset) -> Fate {
        let fate = self.fate(offset).expect("it is there");
        if (fate == Fate::Spark) == (way == Way::Sparks) { fate } else { Fate::Pass }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Append(count) => {
                for n in 0..*count {
                    let fate = match (self.log.len() + usize::from(n)) % 11 {
                        3 => Fate::Quarantined,
                        5 => Fate::Pass,
                        2 | 9 => Fate::Spark,
                        7 => Fate::Loss { missed: 0, publish: true },
                        _ => Fate::Frame,
                    };
                    self.log.push(fate);
                }
            }
            Op::Connect if !self.connected => {
                self.connected = true;
                self.last.clear();
                let known = self.known();
                self.machine.connected(None, known);
            }
            Op::Pump(count) if self.connected => (0..*count).for_each(|_| self.pump()),
            Op::Confirm(count) => (0..*count).for_each(|_| self.confirm(0)),
            Op::ConfirmOutOfOrder(at) => self.confirm(usize::from(*at)),
            Op::Cut if self.connected => {
                self.cut();
                // What was confirmed before its turn is sent again for this, not for a crash later.
                let again = std::mem::take(&mut self.fresh);
                self.fresh = again.into_iter().filter(|offset| !self.is_due(*offset)).collect();
            }
            Op::WriteCursor if self.writing.is_none() => self.writing = Some(self.machine.take_cursor().1),
            Op::CursorDurable => {
                if let Some(progress) = self.writing.take() {
                    self.durable = progress;
                    self.machine.cursor_written();
                }
            }
            Op::Crash => {
                self.cut();
                self.writing = None;
                self.machine = Machine::new(WINDOW, &self.durable, true);
                let fresh = std::mem::take(&mut self.fresh);
                self.repeats.push(fresh.into_iter().filter(|offset| self.is_due(*offset)).count());
            }
            _ => {}
        }
        self.check();
    }

    fn is_due(&self, offset: Offset) -> bool {
        let progress = self.machine.progress();
        if self.fate(offset) == Some(Fate::Spark) {
            return progress.sparks < Some(offset);
        }
        offset > progress.live || progress.backfill.iter().any(|it| (it.first..=it.last).contains(&offset))
    }

    fn pump(&mut self) {
        let has = |way| self.machine.wants(way).is_some_and(|offset| offset <= self.known());
        let (live, backfill, sparks) = (has(Way::Live), has(Way::Backfill), has(Way::Sparks));
        let Some(way) = self.machine.pick(live, backfill, sparks) else { return };
        let offset = self.machine.wants(way).expect("it has one");
        let fate = self.fate_on(way, offset);
        if self.machine.step(way, offset, offset.0, fate) == Do::Publish {
            assert!(way != Way::Sparks || self.all_told_before(offset), "{offset} overtakes a spark");
            assert!(self.last.insert(way, offset).is_none_or(|before| before < offset), "order on {way:?}");
            self.under_way.push_back((way, offset));
        }
    }

    /// Whether each spark before was taken once, or is on its way on this connection.
    fn all_told_before(&self, spark: Offset) -> bool {
        let told = |at| self.received.contains_key(&at) || self.under_way.contains(&(Way::Sparks, at));
        (1..spark.0).map(Offset).filter(|at| self.fate(*at) == Some(Fate::Spark)).all(told)
    }

    fn confirm(&mut self, at: usize) {
        let at = if self.under_way.is_empty() { return } else { at % self.under_way.len() };
        let (way, offset) = self.under_way.remove(at).expect("in range");
        *self.received.entry(offset).or_default() += 1;
        self.fresh.insert(offset);
        assert_eq!(self.machine.answered(way, offset, Reason::Success), Answer::Confirmed);
    }

    fn cut(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.under_way.clear();
            self.machine.disconnected(true);
        }
    }

    fn is_message(&self, offset: Offset) -> bool {
        matches!(self.fate(offset), Some(Fate::Frame | Fate::Spark | Fate::Loss { .. }))
    }

    /// Whatever a cursor says is done has been confirmed, and the account is that of the offsets it says are done.
    fn check(&self) {
        let progress = self.machine.progress();
        let (mut forwarded, mut quarantined) = (0, 0);
        for offset in (1..=self.known().0).map(Offset).filter(|offset| !self.is_due(*offset)) {
            assert!(!self.is_message(offset) || self.received.contains_key(&offset), "{offset} was never confirmed");
            forwarded += u64::from(self.fate(offset) == Some(Fate::Frame));
            quarantined += u64::from(self.fate(offset) == Some(Fate::Quarantined));
        }
        assert_eq!((progress.account.forwarded, progress.account.quarantined), (forwarded, quarantined));
        assert!(progress.backfill.len() <= STRETCHES_MAX);
        assert!(self.under_way.len() <= WINDOW);
        let confirmed = self.machine.confirmed();
        assert!((1..=confirmed.0).all(|offset| !self.is_due(Offset(offset))), "{confirmed} says too much");
    }

    /// Lets everything through.
    fn drain(&mut self) {
        self.apply(&Op::Connect);
        for _ in 0..self.log.len() * 4 + 64 {
            self.apply(&Op::Pump(1));
            self.apply(&Op::Confirm(2));
            self.apply(&Op::WriteCursor);
            self.apply(&Op::CursorDurable);
            if self.machine.confirmed() == self.known() {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_in_order_and_the_account_adds_up(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.apply(op));
        world.drain();
        prop_assert_eq!(world.machine.confirmed(), world.known());
        prop_assert_eq!(world.machine.progress().backfill, vec![]);
        for offset in (1..=world.known().0).map(Offset) {
            prop_assert!(!world.is_message(offset) || world.received.contains_key(&offset), "{} is missing", offset);
        }
        prop_assert!(world.repeats.iter().all(|again| *again <= WINDOW), "{:?}", world.repeats);
    }
}

/// To whom no sparks are sent.
fn frames() -> Machine {
    Machine::new(WINDOW, &Progress::default(), false)
}

fn publish(machine: &mut Machine, way: Way, offset: u64) -> Do {
    machine.step(way, Offset(offset), offset, Fate::Frame)
}

#[test]
fn a_long_absence_gets_a_lane_of_its_own_and_the_lanes_join() {
    let mut machine = frames();
    assert!(!machine.connected(None, Offset(64)), "a short one is made up for in order");
    assert!(machine.connected(None, Offset(100)));
    assert_eq!(machine.wants(Way::Live), Some(Offset(101)));
    assert_eq!(machine.wants(Way::Backfill), Some(Offset(1)));
    assert_eq!(machine.confirmed(), Offset(0));
    (1..=100).for_each(|offset| assert_eq!(machine.step(Way::Backfill, Offset(offset), 0, Fate::Pass), Do::Nothing));
    assert_eq!((machine.confirmed(), machine.wants(Way::Backfill)), (Offset(100), None));
}

#[test]
fn stretches_without_a_hole_between_them_are_one_and_there_are_at_most_sixteen() {
    let mut machine = frames();
    assert!(machine.connected(None, Offset(100)) && machine.connected(None, Offset(200)));
    assert_eq!(machine.progress().backfill, [Stretch { first: Offset(1), last: Offset(200) }]);
    let mut jumped = true;
    for n in 2..=40_u64 {
        publish(&mut machine, Way::Live, n * 100 + 1);
        machine.answered(Way::Live, Offset(n * 100 + 1), Reason::Success);
        machine.disconnected(true);
        jumped = machine.connected(None, Offset((n + 1) * 100));
    }
    assert_eq!(machine.progress().backfill.len(), STRETCHES_MAX);
    assert!(!jumped, "then live makes up for it in order");
}

#[test]
fn live_has_three_places_of_four_while_backfill_waits_and_a_part_of_the_window_to_itself() {
    let mut machine = frames();
    machine.connected(None, Offset(1_000));
    let mut picked = Vec::new();
    let (mut live, mut backfill) = (1_000, 0);
    for _ in 0..8 {
        let way = machine.pick(true, true, false).expect("room");
        let next = if way == Way::Live { &mut live } else { &mut backfill };
        *next += 1;
        let offset = *next;
        publish(&mut machine, way, offset);
        picked.push(way);
    }
    assert_eq!(picked.iter().filter(|way| **way == Way::Live).count(), 6);
    while machine.pick(false, true, false).is_some() {
        backfill += 1;
        publish(&mut machine, Way::Backfill, backfill);
    }
    assert_eq!(machine.pick(true, true, false).is_some(), machine.waiting() < WINDOW);
    assert!(machine.stands(Way::Backfill).1 <= WINDOW - WINDOW / 8);
}

#[test]
fn the_receivers_own_limit_bounds_what_is_under_way() {
    let mut machine = frames();
    machine.connected(Some(3), Offset(3));
    (1..=3).for_each(|offset| assert_eq!(publish(&mut machine, Way::Live, offset), Do::Publish));
    assert_eq!(machine.pick(true, false, false), None);
}

#[test]
fn what_no_durable_cursor_covers_fills_the_window() {
    let mut machine = frames();
    machine.connected(None, Offset(0));
    for offset in 1..=WINDOW as u64 {
        publish(&mut machine, Way::Live, offset);
        machine.answered(Way::Live, Offset(offset), Reason::Success);
    }
    assert_eq!(machine.pick(true, false, false), None, "a crash now would repeat a whole window");
    machine.take_cursor();
    machine.cursor_written();
    assert_eq!(machine.pick(true, false, false), Some(Way::Live));
}

/// A broker that forbids one topic cost five connections for each of its messages.
#[test]
fn a_refused_message_is_sent_again_in_order_and_given_up_after_five_refusals_beside_others_that_were_taken() {
    let mut machine = frames();
    machine.connected(None, Offset(2));
    for round in 0..5 {
        assert_eq!(publish(&mut machine, Way::Live, 1), Do::Publish);
        assert_eq!(publish(&mut machine, Way::Live, 2), Do::Publish);
        assert_eq!(machine.answered(Way::Live, Offset(1), Reason::Refused), Answer::Again);
        assert!(!machine.is_refused() && machine.pick(true, false, false).is_none());
        machine.answered(Way::Live, Offset(2), Reason::Success);
        assert!(machine.is_refused() && machine.took_others());
        if round == 3 {
            machine.disconnected(false);
            machine.connected(None, Offset(2));
        } else {
            machine.again();
        }
        assert!(!machine.is_refused() && machine.waiting() == 0 && machine.confirmed() == Offset(0));
        assert_eq!(machine.wants(Way::Live), Some(Offset(1)));
    }
    publish(&mut machine, Way::Live, 1);
    assert_eq!(machine.answered(Way::Live, Offset(1), Reason::Refused), Answer::GiveUp);
    machine.gave_up(Way::Live, Offset(1));
    assert_eq!(machine.confirmed(), Offset(1));
    assert_eq!(machine.progress().account, Account::default(), "the dropped record counts it");
    machine.step(Way::Live, Offset(3), 0, Fate::Loss { missed: 1, publish: false });
    assert_eq!(machine.progress().account.dropped, 1);
}

#[test]
fn a_receiver_that_refuses_everything_never_costs_a_message() {
    let mut machine = frames();
    machine.connected(None, Offset(1));
    for round in 0..100 {
        assert_eq!(publish(&mut machine, Way::Live, 1), Do::Publish);
        assert_eq!(machine.answered(Way::Live, Offset(1), Reason::Refused), Answer::Again);
        assert!(machine.is_refused() && !machine.took_others());
        match round % 2 {
            0 => machine.again(),
            _ => machine.disconnected(false),
        }
    }
}

#[test]
fn a_message_that_ends_every_connection_is_sent_alone_and_then_given_up() {
    let mut machine = frames();
    for n in 0..10 {
        machine.connected(None, Offset(2));
        assert_eq!(publish(&mut machine, Way::Live, 1), Do::Publish);
        assert_eq!(machine.pick(true, false, false).is_some(), n < 5, "connection {n}");
        machine.disconnected(true);
    }
    machine.connected(None, Offset(2));
    assert_eq!(publish(&mut machine, Way::Live, 1), Do::GiveUp);
    machine.gave_up(Way::Live, Offset(1));
    machine.disconnected(true);
    machine.connected(None, Offset(2));
    assert_eq!(publish(&mut machine, Way::Live, 2), Do::Publish);
}

#[test]
fn links_that_we_tear_down_are_no_messages_fault() {
    let mut machine = frames();
    for _ in 0..50 {
        machine.connected(None, Offset(1));
        assert_eq!(publish(&mut machine, Way::Live, 1), Do::Publish);
        machine.disconnected(false);
    }
}

#[test]
fn a_frame_read_again_moves_from_quarantined_to_forwarded() {
    let mut machine = frames();
    machine.connected(None, Offset(0));
    machine.step(Way::Live, Offset(1), 0, Fate::Quarantined);
    assert_eq!(machine.step(Way::Live, Offset(2), 0, Fate::Replayed { original: Offset(1) }), Do::Publish);
    machine.answered(Way::Live, Offset(2), Reason::Success);
    assert_eq!(machine.progress().account, Account { forwarded: 1, quarantined: 0, dropped: 0 });
}

#[test]
fn a_frame_read_again_before_its_first_record_is_passed_counts_once_and_not_as_quarantined() {
    let mut machine = frames();
    let far = Offset(1 + JUMP_WINDOWS * WINDOW as u64 * 2);
    assert!(machine.connected(None, far), "live leaves a stretch out");
    let replayed = far.next();
    assert_eq!(machine.step(Way::Live, replayed, 0, Fate::Replayed { original: Offset(1) }), Do::Publish);
    machine.answered(Way::Live, replayed, Reason::Success);
    assert_eq!(machine.progress().account, Account::default());
    // The process ends here and goes on from its cursor.
    let mut machine = Machine::new(WINDOW, &machine.progress(), false);
    machine.connected(None, replayed);
    machine.step(Way::Backfill, Offset(1), 0, Fate::Quarantined);
    assert_eq!(machine.progress().account, Account { forwarded: 1, quarantined: 0, dropped: 0 });
    machine.step(Way::Backfill, Offset(2), 0, Fate::Quarantined);
    assert_eq!(machine.progress().account, Account { forwarded: 1, quarantined: 1, dropped: 0 });
}

#[test]
fn records_that_say_nothing_here_make_no_cursor_due_until_they_are_many() {
    let mut machine = frames();
    machine.connected(None, Offset(0));
    (1..=100).for_each(|offset| assert_eq!(machine.step(Way::Live, Offset(offset), 0, Fate::Pass), Do::Nothing));
    assert_eq!(machine.cursor_due(), (false, false), "a cursor of its own must not make the next one due");
    (101..=5_000).for_each(|offset| assert_eq!(machine.step(Way::Live, Offset(offset), 0, Fate::Pass), Do::Nothing));
    assert_eq!(machine.cursor_due(), (false, true));
}

#[test]
fn sparks_wait_for_those_before_them_while_live_goes_ahead_and_take_turns_with_the_rest() {
    let mut machine = fresh();
    assert!(machine.connected(None, Offset(100)), "live leaves a stretch out");
    assert_eq!((machine.wants(Way::Live), machine.wants(Way::Sparks)), (Some(Offset(101)), Some(Offset(1))));
    let turns: Vec<_> = (0..4).map(|_| machine.pick(true, false, true)).collect();
    assert_eq!(turns, [Way::Sparks, Way::Live, Way::Sparks, Way::Live].map(Some));
    assert_eq!(machine.step(Way::Sparks, Offset(1), 0, Fate::Spark), Do::Publish);
    (1..=100).for_each(|offset| assert_eq!(machine.step(Way::Backfill, Offset(offset), 0, Fate::Pass), Do::Nothing));
    assert_eq!((machine.confirmed(), machine.progress().sparks), (Offset(0), Some(Offset(0))));
    machine.answered(Way::Sparks, Offset(1), Reason::Success);
    assert_eq!((machine.confirmed(), machine.progress().sparks), (Offset(1), Some(Offset(1))));
    let before = Progress { sparks: None, ..machine.progress() };
    let machine = Machine::new(WINDOW, &before, true);
    assert_eq!(machine.wants(Way::Sparks), Some(Offset(101)), "a cursor of before sparks had a lane");
}
