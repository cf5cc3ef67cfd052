//! A listener's likes and skips, by a player's buttons and by a phone, meet a radio station's catalogue.

use halo_tests::Failure;
use halo_tests::sparks::Spark;
use halo_tests::stage::{Heard, Stage};
use serde_json::{Value, json};

use super::{HOUR, shown};

const RULE: &str = "new-for-you";

/// A turn of the offer of a genre's novelty, as an integrator hears it on a topic of sparks.
fn offer(stage: &mut Stage, of: &str, state: &str, genre: &str) -> Result<Spark, Failure> {
    let (topic, row) = (format!("halo/v1/sparks/{of}/{RULE}"), format!("{genre}-1"));
    let is_it = |heard: &Heard| {
        matches!(heard, Heard::Spark(on, spark)
            if *on == topic && spark.is(state, RULE, "lena") && spark.offer.as_deref() == Some(row.as_str()))
    };
    match stage.hear(&format!("{row} for lena, {state},"), is_it)? {
        Heard::Spark(_, spark) => Ok(*spark),
        _ => Err("no spark".into()),
    }
}

fn genres(truth: &Value) -> Vec<String> {
    let likes = truth["likes"].as_array().into_iter().flatten();
    likes.filter_map(|genre| genre.as_str().map(str::to_owned)).collect()
}

#[test]
fn what_is_new_of_a_genre_is_offered_to_who_likes_it_until_the_taste_is_another() -> Result<(), Failure> {
    let mut stage = Stage::set("taste", &[])?;
    let mut days = stage.script("tastes", 1, 9 * 24 * HOUR, 42)?;
    let tastes: Vec<Vec<String>> = days.truths("taste").map(genres).collect();
    let given_up = tastes.first().and_then(|taste| taste.first()).ok_or("nobody likes anything")?.clone();
    let stands = tastes.last().and_then(|taste| taste.first()).ok_or("nobody likes anything")?.clone();
    assert!(tastes.len() > 1 && given_up != stands, "the taste does not change: {tastes:?}");
    stage.play(&mut days, |_, _| false)?;

    let first = offer(&mut stage, "lena", "raised", &given_up)?;
    assert_eq!(first.owner.as_deref(), Some("radio"));
    assert!(first.message.as_deref().is_some_and(|text| text.ends_with(&given_up)), "{first:?}");
    let over = offer(&mut stage, "lena", "cleared", &given_up)?;
    assert_eq!((over.id, over.why.as_deref()), (first.id, Some("apart")));
    let lasting = offer(&mut stage, "lena", "raised", &stands)?;
    stage.cmd("player-01", "offered", RULE)?;
    stage.answer("player-01", &lasting.id, "accepted")?;
    let answered = offer(&mut stage, "radio", "answered", &stands)?;
    assert_eq!(answered.answer, Some(json!({"answer": "accepted", "device": "player-01"})));

    let halo = stage.halo("lena")?;
    let likes = halo["derived"]["taste.likes"]["value"].as_array().ok_or("a list")?;
    let strengths = halo["derived"]["taste.strengths"]["value"].as_array().ok_or("a list")?;
    assert!(likes.contains(&json!(stands)) && !likes.contains(&json!(given_up)), "{likes:?} of {tastes:?}");
    assert!(strengths.len() == likes.len() && strengths.iter().all(|it| it.as_f64() >= Some(1.5)), "{strengths:?}");
    Ok(())
}

#[test]
fn a_phone_likes_and_skips_in_json() -> Result<(), Failure> {
    let mut stage = Stage::set("taste", &[])?;
    let say = |stage: &mut Stage, what: &str| {
        stage.publish("halo/v1/d/phone-lena/t", false, json!({what: "fado"}).to_string().as_bytes())
    };
    (0..3).try_for_each(|_| say(&mut stage, "like"))?;
    let raised = offer(&mut stage, "lena", "raised", "fado")?;
    assert_eq!(raised.message.as_deref(), Some("new: Lisbon After Midnight, for you who like fado"));
    assert_eq!(shown(&stage.halo("lena")?, RULE)["offer"], "fado-1");
    (0..2).try_for_each(|_| say(&mut stage, "skip"))?;
    let cleared = offer(&mut stage, "lena", "cleared", "fado")?;
    assert_eq!((cleared.id, cleared.why.as_deref()), (raised.id, Some("apart")));
    stage.settled()?;
    assert!(stage.left(RULE).iter().all(|spark| spark.offer.as_deref() == Some("fado-1")), "nothing else");
    Ok(())
}
