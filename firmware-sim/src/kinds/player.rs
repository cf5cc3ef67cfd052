//! A listener with a player: songs of all genres, as a station sends them, and two buttons, one to like what plays and one
//! to skip it. A taste is two of the genres; every few days one of them is given up for another.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Moment, Sensors};

/// What is played.
const GENRES: [&str; 8] = ["blues", "country", "folk", "jazz", "opera", "rock", "soul", "techno"];
/// How often a song of a genre that is liked is, and one of another by mistake.
const LIKES: f64 = 0.35;
const LIKES_BY_MISTAKE: f64 = 0.01;
/// How often a song of another genre is skipped, and one of a genre that is liked, for once.
const SKIPS: f64 = 0.25;
const SKIPS_FOR_ONCE: f64 = 0.03;
/// Seconds that a taste stays the same, that the player is silent, that it plays, and that a song lasts.
const TASTE_S: Range<u32> = 302_400..432_000;
const SILENT_S: Range<u32> = 3_600..14_400;
const PLAYING_S: Range<u32> = 1_800..5_400;
const SONG_S: Range<u32> = 150..270;
/// When a button is pressed, seconds into a song.
const PRESSED_S: Range<u32> = 8..40;

/// A song that plays.
#[derive(Clone, Copy, Debug)]
struct Song {
    genre: usize,
    left_s: u32,
    /// In how many seconds a button is pressed, and whether it is the one for likes.
    opinion: Option<(u32, bool)>,
}

/// What the player does.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Silent { left_s: u32 },
    Playing { left_s: u32, song: Song },
}

/// A seeded listener.
pub(crate) struct Player {
    random: ChaCha8Rng,
    likes: [usize; 2],
    /// Until the taste changes; none before it was told.
    stays_s: Option<u32>,
    doing: Doing,
    battery: f64,
}

impl Player {
    pub(crate) fn new(mut random: ChaCha8Rng) -> Self {
        let first = random.random_range(0..GENRES.len());
        let second = (first + random.random_range(1..GENRES.len())) % GENRES.len();
        let doing = Doing::Silent { left_s: random.random_range(60..1_800) };
        let battery = random.random_range(70.0..100.0);
        Self { random, likes: [first, second], stays_s: None, doing, battery }
    }

    /// The taste is told when it begins and when it is another.
    fn feel(&mut self, at_ms: u64, moment: &mut Moment) {
        match self.stays_s {
            Some(left_s @ 1..) => {
                self.stays_s = Some(left_s - 1);
                return;
            }
            Some(0) => {
                let others: Vec<usize> = (0..GENRES.len()).filter(|genre| !self.likes.contains(genre)).collect();
                let new = others.get(self.random.random_range(0..others.len())).copied().unwrap_or_default();
                // The one that was liked for longer goes.
                self.likes = [self.likes[1], new];
            }
            None => {}
        }
        self.stays_s = Some(self.random.random_range(TASTE_S));
        moment.tell(at_ms, "taste", json!({"likes": self.likes.map(|genre| GENRES[genre])}));
    }

    fn song(&mut self) -> Song {
        let genre = self.random.random_range(0..GENRES.len());
        let (likes, skips) = match self.likes.contains(&genre) {
            true => (LIKES, SKIPS_FOR_ONCE),
            false => (LIKES_BY_MISTAKE, SKIPS),
        };
        let chance: f64 = self.random.random();
        let pressed_s = self.random.random_range(PRESSED_S);
        let opinion = (chance < likes + skips).then_some((pressed_s, chance < likes));
        Song { genre, left_s: self.random.random_range(SONG_S), opinion }
    }

    fn press(&self, genre: usize, liked: bool, at_ms: u64, moment: &mut Moment) {
        let topic = GENRES[genre];
        moment.happens(at_ms, if liked { "like" } else { "skip" }, 0, 1.0);
        if let Some(event) = moment.events.last_mut() {
            event.data = topic.as_bytes().to_vec();
        }
        moment.tell(at_ms, "opinion", json!({"topic": topic, "liked": liked}));
    }

    fn play(&mut self, left_s: u32, mut song: Song, at_ms: u64, moment: &mut Moment) -> Doing {
        if left_s == 0 {
            return Doing::Silent { left_s: self.random.random_range(SILENT_S) };
        }
        match song.opinion {
            Some((0, liked)) => {
                self.press(song.genre, liked, at_ms, moment);
                song.opinion = None;
                song.left_s = if liked { song.left_s } else { 0 };
            }
            Some((wait_s, liked)) => song.opinion = Some((wait_s - 1, liked)),
            None => {}
        }
        song = match song.left_s.checked_sub(1) {
            Some(song_s) => Song { left_s: song_s, ..song },
            None => self.song(),
        };
        Doing::Playing { left_s: left_s - 1, song }
    }
}

impl Sensors for Player {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        self.feel(at_ms, moment);
        self.doing = match self.doing {
            Doing::Silent { left_s: 0 } => {
                Doing::Playing { left_s: self.random.random_range(PLAYING_S), song: self.song() }
            }
            Doing::Silent { left_s } => Doing::Silent { left_s: left_s - 1 },
            Doing::Playing { left_s, song } => self.play(left_s, song, at_ms, moment),
        };
        self.battery = (self.battery - 100.0 / (14.0 * 86_400.0)).max(0.0);
        moment.read("battery", self.battery);
    }
}
