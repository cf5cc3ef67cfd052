//! Offers by what a listener likes, against what was liked when they were made and when they ended.

use std::collections::BTreeMap;

use firmware_sim::{Step, Stepped};
use halo_gateway::situations::named;

use super::score::{About, Table, Tally};
use super::spans::Span;
use super::told::{Raise, Scene};
use super::world::{truths, whole_life};
use crate::Failure;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A like that was told in a dead zone is heard of behind it, with the next frame.
const LATE_MS: i64 = 3 * HOUR_MS;
/// With a half-life of 36 hours it takes so long until skips and time have undone a taste.
const FADED_MS: i64 = 5 * DAY_MS / 2;
/// A taste has to have lasted, and been told of, to be known.
const LASTED_MS: i64 = 3 * DAY_MS;
const LIKES: usize = 6;
/// As the situation has them.
const HALF_LIFE_MS: f64 = 36.0 * 3_600_000.0;
const THRESHOLD: f64 = 1.5;
/// An affinity is told as of the newest reading.
const ROUNDED: f64 = 0.02;

/// A genre, from when until when it was liked, and how often that was said.
struct Liked {
    genre: String,
    span: Span,
    likes: usize,
}

/// An offer of a genre.
struct Offer {
    genre: String,
    raised_ms: i64,
    cleared_ms: i64,
}

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let liked = liked(&steps);
    let offers = offers(&id, &steps)?;
    let end_ms = steps.last().map_or(0, |step| step.at_ms);
    let note = "liked for less than three days, or in fewer than six likes";
    table.add(about("spark: something new of a genre that is liked", note), made(&liked, &offers));
    let note =
        "given up less than 60 h before the end; an end is right when what was said has faded, whatever is liked";
    let said = said(&steps);
    table.add(about("spark: its end, at most 60 h after the taste's", note), ended(&liked, &said, &offers, end_ms));
    Ok(())
}

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "tastes", kind: "player", event, unit: "", note }
}

/// Whether a genre is liked at a time, or was so shortly before.
fn is_liked(liked: &[Liked], genre: &str, at_ms: i64, before_ms: i64) -> bool {
    let then = Span { from_ms: at_ms - before_ms, to_ms: at_ms };
    liked.iter().any(|it| it.genre == genre && it.span.touches(then))
}

fn made(liked: &[Liked], offers: &[Offer]) -> Tally {
    let (shown, hidden): (Vec<&Liked>, Vec<&Liked>) =
        liked.iter().partition(|it| it.span.length_ms() >= LASTED_MS && it.likes >= LIKES);
    let stood = |it: &Liked, offer: &Offer| {
        let span = Span { from_ms: offer.raised_ms, to_ms: offer.cleared_ms };
        it.genre == offer.genre && it.span.wider(0, LATE_MS).touches(span)
    };
    let right = offers.iter().filter(|offer| is_liked(liked, &offer.genre, offer.raised_ms, LATE_MS));
    Tally {
        truths: shown.len() as f64,
        found: offers.len() as f64,
        recalled: shown.iter().filter(|it| offers.iter().any(|offer| stood(it, offer))).count() as f64,
        right: right.count() as f64,
        hidden: hidden.len() as f64,
    }
}

/// Of the offers that stood when the taste went, which ended in time; of those that ended, at which nothing was left of it.
fn ended(liked: &[Liked], said: &[Said], offers: &[Offer], end_ms: i64) -> Tally {
    let mut tally = Tally::default();
    for it in liked.iter().filter(|it| it.span.to_ms < end_ms) {
        let gone_ms = it.span.to_ms;
        let stood = |offer: &&Offer| offer.genre == it.genre && (offer.raised_ms..offer.cleared_ms).contains(&gone_ms);
        let Some(offer) = offers.iter().find(stood) else { continue };
        if end_ms - gone_ms < FADED_MS {
            tally.hidden += 1.0;
            continue;
        }
        tally.truths += 1.0;
        tally.recalled += f64::from(u8::from(offer.cleared_ms - gone_ms <= FADED_MS));
    }
    for offer in offers.iter().filter(|offer| offer.cleared_ms < i64::MAX) {
        tally.found += 1.0;
        let faded = |at_ms| affinity(said, &offer.genre, at_ms) < THRESHOLD + ROUNDED;
        tally.right += f64::from(u8::from(faded(offer.cleared_ms) || faded(offer.cleared_ms - LATE_MS)));
    }
    tally
}

/// Likes and skips: when, of what, and 1 or -1.
type Said = (i64, String, f64);

fn said(steps: &[Step]) -> Vec<Said> {
    let said = truths(steps, "opinion").filter_map(|line| {
        let points = if line["liked"] == true { 1.0 } else { -1.0 };
        Some((line["at_ms"].as_i64()?, line["topic"].as_str()?.to_owned(), points))
    });
    said.collect()
}

/// Points of a genre at a time, as docs/configuration.md defines them: each counts half after a half-life.
fn affinity(said: &[Said], genre: &str, at_ms: i64) -> f64 {
    let heard = said.iter().filter(|(said_ms, topic, _)| *said_ms <= at_ms && topic == genre);
    heard.map(|(said_ms, _, points)| points * (-((at_ms - said_ms) as f64) / HALF_LIFE_MS).exp2()).sum()
}

/// Each taste lasts until another is told without it, or to the end.
fn liked(steps: &[Step]) -> Vec<Liked> {
    let end_ms = steps.last().map_or(0, |step| step.at_ms);
    let mut all: Vec<Liked> = Vec::new();
    for line in truths(steps, "taste") {
        let at_ms = line["at_ms"].as_i64().unwrap_or_default();
        let likes: Vec<&str> = line["likes"].as_array().into_iter().flatten().filter_map(|it| it.as_str()).collect();
        let open = |it: &&mut Liked| it.span.to_ms == end_ms;
        for gone in all.iter_mut().filter(open).filter(|it| !likes.contains(&it.genre.as_str())) {
            gone.span.to_ms = at_ms;
        }
        for genre in likes {
            if !all.iter().any(|it| it.genre == genre && it.span.to_ms == end_ms) {
                all.push(Liked { genre: genre.to_owned(), span: Span { from_ms: at_ms, to_ms: end_ms }, likes: 0 });
            }
        }
    }
    for line in truths(steps, "opinion").filter(|line| line["liked"] == true) {
        let (at_ms, topic) = (line["at_ms"].as_i64().unwrap_or_default(), line["topic"].as_str().unwrap_or_default());
        let then = Span { from_ms: at_ms, to_ms: at_ms };
        all.iter_mut().filter(|it| it.genre == topic && it.span.touches(then)).for_each(|it| it.likes += 1);
    }
    all
}

/// What the rule offered; what stands at the end has no end.
fn offers(id: &str, steps: &[Step]) -> Result<Vec<Offer>, Failure> {
    let situation = named("taste").ok_or("no such situation")?;
    let catalogue = situation.files.first().map_or("", |(_, text)| *text);
    let row = |line: &'static str| line.split_once(',').and_then(|(key, rest)| Some((key, rest.split(',').next()?)));
    let genres: BTreeMap<&str, &str> = catalogue.lines().skip(1).filter_map(row).collect();
    let mut scene = Scene::new(&["taste"], &[(id, "lena")], &[])?;
    steps.iter().try_for_each(|step| scene.play(id, step))?;
    let offer = |raise: &Raise| {
        let genre = raise.offer.as_deref().and_then(|key| genres.get(key)).ok_or("an offer of no row")?;
        Ok(Offer { genre: (*genre).to_owned(), raised_ms: raise.span.from_ms, cleared_ms: raise.span.to_ms })
    };
    scene.raised("new-for-you").map(offer).collect()
}
