//! How native frames are to be read: the compiled-in registry and the births seen.
//!
//! A schema id never changes its meaning. A birth that gives a known id other groups is refused, and frames of that id
//! are set aside until a birth repeats the first meaning: wrong values are worse than late ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use halo_proto::birth::{Birth, BirthError};
use halo_proto::frame::TimeSync;
use halo_proto::registry;
use halo_proto::schema::Schema;
use halo_proto::topic::{Grammar, Topic};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::own::OwnSignals;
use super::readings::{Readings, SignalRef, Unreadable};
use crate::record::{Act, Body, Deed, FoldConfig, Name, Offset, Record, Retained};

/// Most schemas kept per device, in order of first birth; a device has one per firmware.
const SCHEMAS_MAX: usize = 8;
/// Most disputes kept per device.
const DISPUTES_MAX: usize = 8;

/// The registry and, per device, the schemas its births described.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
pub struct Schemas {
    grammar: Grammar,
    devices: HashMap<Name, Births>,
    /// Equal groups share one layout: a fleet has few kinds of device.
    layouts: BTreeMap<(u32, Vec<u8>), Arc<Layout>>,
    /// Of the configuration learnt last; not checkpointed here, but with the configuration.
    own: OwnSignals,
}

/// What the births of one device said.
#[derive(Clone, Debug, Default, PartialEq)]
struct Births {
    saved: SavedBirths,
    layouts: Vec<(Arc<Layout>, registry::Kind)>,
}

/// Births as they are checkpointed: the bytes of the first one for each schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedBirths {
    births: Vec<SavedBirth>,
    disputes: Vec<Dispute>,
    about: Option<About>,
}

/// The first birth for a schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedBirth {
    /// Where it stands: frames before it were set aside, whoever reads them later.
    since: Offset,
    bytes: Vec<u8>,
}

/// A schema that two births described differently; what came meanwhile was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Dispute {
    schema: u32,
    since: Offset,
    /// Where a birth repeated the first meaning.
    until: Option<Offset>,
}

impl Dispute {
    fn is_about(&self, schema: u32, at: Offset) -> bool {
        self.schema == schema && self.since < at && self.until.is_none_or(|until| at < until)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Saved {
    root: String,
    devices: Vec<(String, SavedBirths)>,
}

/// What a device last said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Device kind, see [`registry::Kind`].
    pub kind: u16,
    /// Firmware version.
    pub firmware: String,
}

/// A schema with its signals named, united and scaled.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    schema: Schema,
    /// By group and column.
    signals: Vec<Vec<Arc<SignalRef>>>,
}

/// What a record told about schemas.
#[derive(Debug, PartialEq)]
pub(super) enum Learned {
    /// Not a birth, or one taken back: schemas once described stay known, since buffered frames still need them.
    Nothing,
    /// A live birth.
    Birth { device: Name, schema: u32, boot: u32, t0_ms: u64, sync: Option<TimeSync> },
    /// A birth that cannot be taken.
    Refused { device: Name, why: RefusedBirth },
}

/// Why a birth is refused; its text is what an operator reads in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefusedBirth {
    /// Broken, or its schema is not that of its groups.
    #[error("birth cannot be read: {0}")]
    Broken(BirthError),
    /// Its schema id has another meaning already.
    #[error("birth describes schema 0x{schema:x} differently than before, give the new columns a new schema id")]
    Disputed {
        /// The schema's id.
        schema: u32,
    },
}

static REGISTRY: LazyLock<Vec<Arc<Layout>>> = LazyLock::new(|| {
    let schemas = registry::schemas().iter().filter_map(|schema| Schema::from_registry(schema.id));
    schemas.map(|schema| Arc::new(Layout::new(schema))).collect()
});

impl Schemas {
    /// How topics are read.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// The registry alone; births are recognised by this topic grammar.
    pub fn new(grammar: Grammar) -> Self {
        Self { grammar, devices: HashMap::new(), layouts: BTreeMap::new(), own: OwnSignals::default() }
    }

    /// Learns from a birth or a configuration, forgets a device that is to be forgotten; every other record changes nothing. Apply each
    /// record once, in offset order.
    pub fn apply(&mut self, record: &Record) {
        match &record.body {
            // A refused birth is ingest's to report; whoever else reads the log just goes on without it.
            Body::Retained(retained) => drop(self.learn(retained, record.offset)),
            Body::Act(Act { deed: Deed::Forget { device }, .. }) => self.forget(device),
            Body::Config(config) => self.configure(config),
            _ => {}
        }
    }

    /// Learns what a fleet's own signals are.
    pub(crate) fn configure(&mut self, config: &FoldConfig) {
        self.own = OwnSignals::of(config);
    }

    /// Gives a fleet's own signals their units and plausible ranges.
    pub(super) fn describe(&self, readings: &mut Readings) {
        self.own.describe(readings);
    }

    /// Forgets a device's births.
    pub(super) fn forget(&mut self, device: &str) {
        self.devices.remove(device);
    }

    /// What a device last said of itself in a birth.
    pub fn about(&self, device: &str) -> Option<&About> {
        self.devices.get(device)?.saved.about.as_ref()
    }

    /// Learns from the retained publish that stands at `at`.
    pub(super) fn learn(&mut self, retained: &Retained, at: Offset) -> Learned {
        let Topic::Birth { device } = self.grammar.parse(&retained.topic) else { return Learned::Nothing };
        if retained.payload.is_empty() {
            return Learned::Nothing;
        }
        let device: Name = device.into();
        match self.learn_birth(&device, &retained.payload, at) {
            Ok(birth) => {
                let head = birth.head();
                Learned::Birth { device, schema: head.schema, boot: head.boot, t0_ms: head.t0_ms, sync: head.sync }
            }
            Err(why) => Learned::Refused { device, why },
        }
    }

    /// How a record of a device at `at` is to be read, given the births before it. Whoever has read further than `at`
    /// still finds a frame set aside that the gateway set aside, and the other way round.
    pub(super) fn layout(&self, device: &str, schema: u32, at: Offset) -> Result<&Arc<Layout>, Unreadable> {
        let births = self.devices.get(device);
        if births.is_some_and(|births| births.saved.disputes.iter().any(|dispute| dispute.is_about(schema, at))) {
            return Err(Unreadable::DisputedSchema { schema });
        }
        let own = births.and_then(|births| births.find(schema, at));
        own.or_else(|| registered(schema)).ok_or(Unreadable::UnknownSchema { schema })
    }

    /// What kind of device sends frames of a schema, given the births before `at`: what its event codes and the keys of
    /// its texts mean.
    pub(super) fn kind(&self, device: &str, schema: u32, at: Offset) -> Option<registry::Kind> {
        if let Some(known) = registry::schema(schema) {
            return Some(known.kind);
        }
        self.devices.get(device)?.known(schema, at).map(|(_, kind)| *kind)
    }

    /// A device's checkpoint.
    pub(super) fn saved(&self, device: &str) -> Option<&SavedBirths> {
        self.devices.get(device).map(|births| &births.saved)
    }

    /// Puts back a device's checkpoint.
    pub(super) fn restore(&mut self, device: &str, saved: SavedBirths) -> Result<(), RefusedBirth> {
        let mut layouts = Vec::with_capacity(saved.births.len());
        for birth in &saved.births {
            let birth = Birth::new_checked(&birth.bytes).map_err(RefusedBirth::Broken)?;
            layouts.push((self.share(&birth)?, registry::Kind(birth.head().kind)));
        }
        self.devices.insert(device.into(), Births { saved, layouts });
        Ok(())
    }

    fn learn_birth<'a>(&mut self, device: &Name, bytes: &'a [u8], at: Offset) -> Result<Birth<'a>, RefusedBirth> {
        let birth = Birth::new_checked(bytes).map_err(RefusedBirth::Broken)?;
        let head = birth.head();
        let known = self.devices.get(device).into_iter().flat_map(|births| &births.layouts).map(|(layout, _)| layout);
        let known = known.chain(registered(head.schema)).find(|layout| layout.schema.id == head.schema).cloned();
        let layout = self.share(&birth).unwrap_or_else(|_| Arc::new(Layout::default()));
        let births = self.devices.entry(device.clone()).or_default();
        let disputed = known.as_ref().is_some_and(|known| *known != layout);
        births.saved.dispute(head.schema, disputed, at);
        if disputed {
            return Err(RefusedBirth::Disputed { schema: head.schema });
        }
        births.saved.about = Some(About { kind: head.kind, firmware: head.firmware.to_owned() });
        if known.is_none() {
            if births.layouts.len() == SCHEMAS_MAX {
                births.layouts.remove(0);
                births.saved.births.remove(0);
            }
            births.layouts.push((layout, registry::Kind(head.kind)));
            births.saved.births.push(SavedBirth { since: at, bytes: bytes.to_vec() });
        }
        Ok(birth)
    }

    /// The layout of a birth, shared with equal ones.
    fn share(&mut self, birth: &Birth<'_>) -> Result<Arc<Layout>, RefusedBirth> {
        let key = (birth.head().schema, birth.groups_bytes().to_vec());
        if let Some(layout) = self.layouts.get(&key) {
            return Ok(layout.clone());
        }
        let layout = Arc::new(Layout::new(Schema::from_birth(birth).map_err(RefusedBirth::Broken)?));
        // Layouts nobody uses any more make room, so that a device with ever new schemas cannot fill the memory.
        self.layouts.retain(|_, layout| Arc::strong_count(layout) > 1);
        self.layouts.insert(key, layout.clone());
        Ok(layout)
    }
}

impl Births {
    fn find(&self, schema: u32, at: Offset) -> Option<&Arc<Layout>> {
        self.known(schema, at).map(|(layout, _)| layout)
    }

    fn known(&self, schema: u32, at: Offset) -> Option<&(Arc<Layout>, registry::Kind)> {
        let known = self.layouts.iter().zip(&self.saved.births).filter(|(_, birth)| birth.since < at);
        known.map(|(known, _)| known).find(|(layout, _)| layout.schema.id == schema)
    }
}

impl SavedBirths {
    /// A birth at `at` disputes the meaning of a schema, or settles it.
    fn dispute(&mut self, schema: u32, is_disputed: bool, at: Offset) {
        let open = self.disputes.iter_mut().find(|dispute| dispute.schema == schema && dispute.until.is_none());
        match open {
            Some(_) if is_disputed => {}
            Some(dispute) => dispute.until = Some(at),
            None if is_disputed => {
                if self.disputes.len() == DISPUTES_MAX {
                    // A settled one matters to late readers only.
                    let oldest = self.disputes.iter().position(|dispute| dispute.until.is_some()).unwrap_or(0);
                    self.disputes.remove(oldest);
                }
                self.disputes.push(Dispute { schema, since: at, until: None });
            }
            None => {}
        }
    }
}

impl Layout {
    fn new(schema: Schema) -> Self {
        let columns = |group: &halo_proto::schema::Group| group.columns.iter().map(signal).map(Arc::new).collect();
        let signals = schema.groups.iter().map(columns).collect();
        Self { schema, signals }
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The signals of a group, by column.
    pub(super) fn signals(&self, group: usize) -> &[Arc<SignalRef>] {
        self.signals.get(group).map_or(&[], Vec::as_slice)
    }
}

impl Default for Layout {
    /// Equal to no real one: the stand-in for groups that contradict the registry.
    fn default() -> Self {
        Self { schema: Schema { id: 0, groups: Vec::new() }, signals: Vec::new() }
    }
}

fn registered(schema: u32) -> Option<&'static Arc<Layout>> {
    REGISTRY.iter().find(|layout| layout.schema.id == schema)
}

/// A column's signal; a registry number this build does not know is named after it.
fn signal(column: &halo_proto::schema::Column) -> SignalRef {
    let name = column.name().map_or_else(|| format!("metric_{}", column.metric), str::to_owned);
    let mut signal = SignalRef {
        name: name.into(),
        unit: "".into(),
        num: column.num,
        den: column.den,
        min: None,
        max: None,
        step_max: None,
        metric: None,
        nature: registry::Nature::Level,
    };
    if let Some(known) = registry::signal(column.metric) {
        signal.adopt(known);
    }
    signal
}

impl From<Schemas> for Saved {
    fn from(schemas: Schemas) -> Self {
        let devices = schemas.devices.iter().map(|(device, births)| (device.to_string(), births.saved.clone()));
        // Equal books, equal bytes.
        let devices = devices.collect::<BTreeMap<_, _>>().into_iter().collect();
        Self { root: schemas.grammar.root().to_owned(), devices }
    }
}

impl TryFrom<Saved> for Schemas {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let mut schemas = Self::new(Grammar::new(&saved.root).map_err(|error| error.to_string())?);
        for (device, births) in saved.devices {
            schemas.restore(&device, births).map_err(|why| format!("device {device}: {why}"))?;
        }
        Ok(schemas)
    }
}

impl PartialEq for Schemas {
    fn eq(&self, other: &Self) -> bool {
        self.grammar.root() == other.grammar.root() && self.devices == other.devices
    }
}

#[cfg(test)]
mod tests;
