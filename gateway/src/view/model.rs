//! Everything the picture is made of: what was observed, and what the user chose.

use std::collections::BTreeMap;

use bytes::Bytes;
use halo_proto::birth::Birth;
use halo_proto::registry;
use halo_proto::topic::{Grammar, Topic};
use serde_json::Value;

use super::figures::{Figures, Sample};
use super::flow::Flow;
use super::subject::{Device, Subject};

/// Subjects and devices shown at most; further ones are only counted.
const SHOWN_MAX: usize = 10_000;
/// Up to so many subjects every halo is read as it comes; of more, those near the selection.
const EAGER_MAX: usize = 300;
/// How long a log line stands where else the keys are, milliseconds.
const NEWS_MS: u64 = 10_000;
/// Rows around the selection that may be on the screen.
const NEAR: usize = 100;

/// What the view is of; nothing of it changes.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// `halo-gateway demo`.
    pub(crate) title: String,
    /// Where the gateway listens.
    pub(crate) address: String,
    /// What else a user might want to know, shown with the help.
    pub(crate) notes: Vec<String>,
    /// Topics are read by this grammar.
    pub(crate) grammar: Grammar,
    /// When it ends by itself, monotonic milliseconds.
    pub(crate) ends_mono_ms: Option<u64>,
}

/// Something seen of the gateway.
#[derive(Clone, Debug)]
pub(crate) enum Observed {
    /// A message, as any subscriber gets it.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
    },
    /// A halo that was asked for.
    Halo(Value),
    /// A subject that is there, and the names of its `devices`.
    Row(Value),
    /// How the gateway is: `state` and `reasons`, as in its health.
    Health(Value),
    /// The counts of this moment.
    Sample(Box<Sample>),
    /// The newest log line.
    Notice(Option<String>),
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Quit, wherever one is.
    End,
    /// Quit, or close what is open.
    Quit,
    Help,
    Pause,
    OtherPane,
    Open,
    Back,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

/// What a key leads to besides another picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    Stay,
    /// The end.
    Quit,
}

/// Where the selection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pane {
    #[default]
    Halos,
    Devices,
}

/// What was observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) figures: Figures,
    pub(crate) flow: Flow,
    pub(crate) subjects: BTreeMap<String, Subject>,
    pub(crate) devices: BTreeMap<String, Device>,
    /// `ready`, `degraded`, …; empty before anybody said.
    pub(crate) state: String,
    /// What is wrong, for a human.
    pub(crate) reasons: Vec<String>,
    /// The newest log line.
    notice: Option<String>,
    /// When it came, monotonic milliseconds.
    noticed_mono_ms: u64,
    /// Subjects and devices that are not shown, for want of room.
    pub(crate) beyond: u64,
}

/// What was observed, and what the user chose.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) about: About,
    live: Scene,
    /// What is shown while it is paused.
    frozen: Option<Box<Scene>>,
    pub(crate) pane: Pane,
    /// Name of the selected subject, and of the selected device.
    subject: Option<String>,
    device: Option<String>,
    pub(crate) help: bool,
    /// The selected halo alone, from this line on.
    pub(crate) open: Option<usize>,
}

impl Model {
    /// Nothing was observed yet.
    pub(crate) fn new(about: About) -> Self {
        let (live, pane) = (Scene::default(), Pane::default());
        Self { about, live, frozen: None, pane, subject: None, device: None, help: false, open: None }
    }

    /// What is to be shown.
    pub(crate) fn scene(&self) -> &Scene {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Takes in what was observed.
    pub(crate) fn observe(&mut self, observed: Observed) {
        match observed {
            Observed::Message { topic, payload } => {
                let near = self.live.subjects.len() <= EAGER_MAX;
                self.live.message(self.about.grammar.parse(&topic), payload, near);
            }
            Observed::Halo(halo) => self.live.halo(halo),
            Observed::Row(row) => self.live.row(&row),
            Observed::Health(health) => self.live.health(&health),
            Observed::Sample(sample) => self.live.figures.note(*sample),
            Observed::Notice(notice) => self.live.note(notice),
        }
    }

    /// One step of the animation; halos near the selection are read.
    pub(crate) fn step(&mut self) {
        if let Some(sample) = self.live.figures.now().cloned() {
            self.live.flow.step(&sample);
        }
        let near = self.near();
        self.live.read(&near);
    }

    /// Names of the subjects that may be on the screen.
    pub(crate) fn near(&self) -> Vec<String> {
        let (_, selected) = self.selection();
        let scene = self.scene();
        let from = selected.saturating_sub(NEAR / 2);
        match self.pane {
            Pane::Halos => scene.subjects.keys().skip(from).take(NEAR).cloned().collect(),
            Pane::Devices => scene.devices.values().skip(from).take(NEAR).map(|it| it.subject.clone()).collect(),
        }
    }

    /// What a key does.
    pub(crate) fn press(&mut self, key: Key) -> Wish {
        if std::mem::take(&mut self.help) && key != Key::End {
            return Wish::Stay;
        }
        match key {
            Key::End => return Wish::Quit,
            Key::Quit if self.open.is_some() => self.open = None,
            Key::Quit => return Wish::Quit,
            Key::Help => self.help = true,
            Key::Pause if self.frozen.is_some() => self.frozen = None,
            Key::Pause => self.frozen = Some(Box::new(self.live.clone())),
            Key::OtherPane if self.open.is_none() => {
                self.pane = if self.pane == Pane::Halos { Pane::Devices } else { Pane::Halos };
            }
            Key::OtherPane => {}
            Key::Open => {
                self.open = if self.open.is_none() && self.selected_subject().is_some() { Some(0) } else { None }
            }
            Key::Back => self.open = None,
            Key::Up => self.move_by(-1),
            Key::Down => self.move_by(1),
            Key::PageUp => self.move_by(-10),
            Key::PageDown => self.move_by(10),
            Key::First => self.move_by(isize::MIN),
            Key::Last => self.move_by(isize::MAX),
        }
        Wish::Stay
    }

    /// How many rows the pane has, and which of them is selected.
    pub(crate) fn selection(&self) -> (usize, usize) {
        self.selection_in(self.pane)
    }

    pub(crate) fn selection_in(&self, pane: Pane) -> (usize, usize) {
        let scene = self.scene();
        let (len, at) = match pane {
            Pane::Halos => (scene.subjects.len(), place(&scene.subjects, self.subject.as_deref())),
            Pane::Devices => (scene.devices.len(), place(&scene.devices, self.device.as_deref())),
        };
        (len, at)
    }

    /// The selected subject, or the one that the selected device feeds.
    pub(crate) fn selected_subject(&self) -> Option<(&String, &Subject)> {
        let (scene, (_, at)) = (self.scene(), self.selection());
        match self.pane {
            Pane::Halos => scene.subjects.iter().nth(at),
            Pane::Devices => {
                let device = scene.devices.values().nth(at)?;
                scene.subjects.get_key_value(&device.subject)
            }
        }
    }

    /// Moves the selection, or the text of an open halo.
    fn move_by(&mut self, rows: isize) {
        if let Some(line) = &mut self.open {
            *line = line.saturating_add_signed(rows).min(usize::from(u16::MAX));
            return;
        }
        let (len, at) = self.selection();
        let at = at.saturating_add_signed(rows).min(len.saturating_sub(1));
        match self.pane {
            Pane::Halos => self.subject = self.scene().subjects.keys().nth(at).cloned(),
            Pane::Devices => self.device = self.scene().devices.keys().nth(at).cloned(),
        }
    }
}

/// Rows are in order of their names, so a name keeps its selection when others come.
fn place<T>(rows: &BTreeMap<String, T>, name: Option<&str>) -> usize {
    name.and_then(|name| rows.keys().position(|it| it == name)).unwrap_or(0)
}

impl Scene {
    /// The newest log line, while it is news.
    pub(crate) fn notice(&self) -> Option<&str> {
        let now_ms = self.figures.now().map_or(0, |now| now.mono_ms);
        self.notice.as_deref().filter(|_| now_ms.saturating_sub(self.noticed_mono_ms) < NEWS_MS)
    }

    fn note(&mut self, notice: Option<String>) {
        if self.notice != notice {
            self.notice = notice;
            self.noticed_mono_ms = self.figures.now().map_or(0, |now| now.mono_ms);
        }
    }

    fn message(&mut self, topic: Topic<'_>, payload: Bytes, eager: bool) {
        match topic {
            Topic::Halo { subject } => {
                let Some(known) = entry(&mut self.subjects, subject, &mut self.beyond) else { return };
                known.unread = Some(payload);
                if eager {
                    self.read(&[subject.to_owned()]);
                }
            }
            Topic::Readings { subject, device } => {
                let wall_ms = self.figures.now().map(|now| now.wall_ms);
                if let Some(known) = entry(&mut self.devices, device, &mut self.beyond) {
                    subject.clone_into(&mut known.subject);
                    known.frames = Some(known.frames.unwrap_or(0) + 1);
                    known.seen_ms = known.seen_ms.max(wall_ms);
                }
                let wanted = self.subjects.get_mut(subject).filter(|_| eager);
                if let (Some(subject), Ok(readings)) = (wanted, serde_json::from_slice(&payload)) {
                    subject.read(&readings);
                }
            }
            Topic::Birth { device } => {
                let kind = Birth::new_checked(&payload).ok().and_then(|birth| registry::Kind(birth.head().kind).name());
                if let Some(known) = entry(&mut self.devices, device, &mut self.beyond).filter(|_| kind.is_some()) {
                    known.kind = kind;
                }
            }
            Topic::Health { .. } => {
                if let Ok(health) = serde_json::from_slice(&payload) {
                    self.health(&health);
                }
            }
            _ => {}
        }
    }

    fn health(&mut self, health: &Value) {
        health["state"].as_str().unwrap_or_default().clone_into(&mut self.state);
        let reasons = health["reasons"].as_array().into_iter().flatten();
        self.reasons = reasons.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    }

    fn row(&mut self, row: &Value) {
        let Some(subject) = row["subject"].as_str() else { return };
        // Its place in the list; its halo is asked for when it is looked at.
        if entry(&mut self.subjects, subject, &mut self.beyond).is_none() {
            return;
        }
        for device in row["devices"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(known) = entry(&mut self.devices, device, &mut self.beyond) {
                subject.clone_into(&mut known.subject);
            }
        }
    }

    fn halo(&mut self, halo: Value) {
        let Some(name) = halo["subject"].as_str().map(ToOwned::to_owned) else { return };
        for (device, presence) in halo["presence"].as_object().into_iter().flatten() {
            if let Some(known) = entry(&mut self.devices, device, &mut self.beyond) {
                known.present(&name, presence);
            }
        }
        if let Some(subject) = entry(&mut self.subjects, &name, &mut self.beyond) {
            subject.take(halo);
        }
    }

    /// Reads the halos of these subjects, where there are newer ones.
    fn read(&mut self, names: &[String]) {
        for name in names {
            let unread = self.subjects.get_mut(name).and_then(|subject| subject.unread.take());
            if let Some(halo) = unread.and_then(|payload| serde_json::from_slice(&payload).ok()) {
                self.halo(halo);
            }
        }
    }
}

/// The entry of that name, made while there is room.
fn entry<'a, T: Default>(rows: &'a mut BTreeMap<String, T>, name: &str, beyond: &mut u64) -> Option<&'a mut T> {
    if rows.len() >= SHOWN_MAX && !rows.contains_key(name) {
        *beyond += 1;
        return None;
    }
    Some(rows.entry(name.to_owned()).or_default())
}
