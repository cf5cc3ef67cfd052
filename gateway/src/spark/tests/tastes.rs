//! A table meets what somebody likes: rows whose cell is any element of a list.

use super::rig::Rig;
use crate::record::FactValue;

const CATALOGUE: &str =
    "key,genre,title,new\na1,jazz,Night,true\na2,jazz,Day,false\nb1,folk,Hill,true\nc1,soul,Heart,true\n";
const RULE: &str = "[[rule]]\nname = 'new'\n\
    offer = { table = 'radio/catalogue', column = 'genre', is = 'a.derived[\"taste.likes\"].value' }\n\
    when = 'offer.new'\nmessage = '{offer.title}, as you like {offer.genre}'\n";

const DAY_MS: u64 = 86_400_000;

impl Rig {
    fn say(&mut self, what: &str, times: usize, topic: &str) -> &mut Self {
        for _ in 0..times {
            self.log.after(1_000).json("lena", &format!(r#"{{"{what}": "{topic}"}}"#));
        }
        self.run();
        self
    }
}

#[test]
fn rows_of_every_topic_that_is_liked_are_offered_until_it_is_not() {
    let mut rig = Rig::new(RULE);
    rig.offer("radio", "catalogue", CATALOGUE);
    rig.say("like", 2, "jazz");
    assert!(rig.decided().is_empty());
    rig.say("like", 1, "jazz").say("like", 3, "folk");
    assert_eq!(rig.decided(), ["raised new lena with a1", "raised new lena with b1"]);
    assert_eq!(rig.raised().1.message, "Hill, as you like folk");
    assert_eq!(rig.fact("a.derived.taste.likes.value").value, FactValue::Text("folk, jazz".to_owned()));
    rig.say("skip", 1, "jazz");
    assert_eq!(rig.decided(), ["cleared(apart) new lena with a1"]);
    rig.offer("radio", "catalogue", &format!("{CATALOGUE}b2,folk,Moor,true\n"));
    assert_eq!(rig.decided(), ["raised new lena with b2"]);
    rig.offer("radio", "catalogue", "key,genre,title,new\nb1,folk,Hill,true\n");
    assert_eq!(rig.decided(), ["cleared(apart) new lena with b2"]);
}

#[test]
fn a_taste_that_fades_ends_what_it_was_offered_with_the_next_that_is_heard() {
    let mut rig = Rig::new(RULE);
    rig.offer("radio", "catalogue", CATALOGUE);
    rig.say("like", 4, "jazz");
    assert_eq!(rig.decided(), ["raised new lena with a1"]);
    rig.after(19 * DAY_MS).value("lena", "battery", 80.0);
    assert!(rig.decided().is_empty(), "2.58");
    rig.after(3 * DAY_MS).value("lena", "battery", 80.0);
    assert_eq!(rig.decided(), ["cleared(apart) new lena with a1"], "2.41");
    // Nor does it come back with a restart.
    let mut rig = rig.restarted(RULE);
    assert!(rig.decided().is_empty());
    rig.say("like", 1, "jazz");
    assert_eq!(rig.decided(), ["raised new lena with a1"]);
}

#[test]
fn a_list_may_have_numbers_and_keys_and_what_is_in_it_twice_is_one() {
    let text = "[[rule]]\nname = 'key'\nabout = { kind = 'person' }\n\
                offer = { table = 'radio/catalogue', is = '[\"c1\", \"a1\", \"c1\", \"zz\"]' }\nwhen = 'true'\n\
                [[rule]]\nname = 'number'\nabout = { kind = 'person' }\n\
                offer = { table = 'radio/catalogue', column = 'price', is = '[3.0, 2.5, 3.0]' }\nwhen = 'true'\n\
                [[rule]]\nname = 'none'\nabout = { kind = 'person' }\n\
                offer = { table = 'radio/catalogue', column = 'price', is = '[]' }\nwhen = 'true'\n";
    let mut rig = Rig::new(text);
    rig.offer("radio", "catalogue", "key,price\na1,2.5\nb1,4\nc1,3\n");
    rig.set("lena", "awake", "yes");
    let wanted = [
        "raised key lena with a1",
        "raised key lena with c1",
        "raised number lena with a1",
        "raised number lena with c1",
    ];
    assert_eq!(rig.decided_sorted(), wanted);
}

#[test]
fn of_many_rows_64_are_looked_at_those_of_the_strongest_taste_first() {
    let mut table = "key,genre,new\n".to_owned();
    (0..60).for_each(|row| table.push_str(&format!("a{row:02},jazz,{}\nb{row:02},folk,{}\n", row > 57, row < 10)));
    let mut rig = Rig::new(RULE);
    rig.offer("radio", "catalogue", &table).say("like", 5, "jazz").say("like", 3, "folk");
    let raised = rig.decided_sorted();
    let of = |topic: &str| raised.iter().filter(|line| line.contains(topic)).count();
    assert_eq!((of("with a"), of("with b")), (2, 4), "60 rows of jazz, and four of folk: {raised:?}");
}

#[test]
fn a_list_of_what_no_cell_can_be_fences_the_rule_off() {
    let text = "[[rule]]\nname = 'odd'\nabout = { kind = 'person' }\n\
                offer = { table = 'radio/catalogue', column = 'genre', is = '[[\"jazz\"]]' }\nwhen = 'true'\n";
    let mut rig = Rig::new(text);
    rig.offer("radio", "catalogue", CATALOGUE).set("lena", "awake", "yes");
    let ailments: Vec<String> = rig.engine.ailments().collect();
    assert!(ailments.iter().any(|it| it.contains("nor a list of these")), "{ailments:?}");
}
