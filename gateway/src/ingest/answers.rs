//! What devices say to sparks: `{"spark": "<id>", "answer": "accepted", "rating": 4, "text": "…"}` on `d/<device>/answer`.

use serde::Deserialize;

use crate::record::{Answer, Said};

/// Longest payload of an answer, bytes.
pub const ANSWER_BYTES_MAX: usize = 4 << 10;
/// Longest words kept, bytes.
const TEXT_BYTES_MAX: usize = 1 << 10;
/// Longest id of a spark, bytes: a rule's name, a log's and an offset.
const ID_BYTES_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerJson {
    spark: String,
    answer: Answer,
    rating: Option<u8>,
    #[serde(default)]
    text: String,
}

/// Reads an answer.
///
/// # Errors
/// What is wrong with it, for a human, with line and column where there is one.
pub fn parse(payload: &[u8]) -> Result<Said, String> {
    if payload.len() > ANSWER_BYTES_MAX {
        return Err(format!("an answer of {} bytes, at most {ANSWER_BYTES_MAX}", payload.len()));
    }
    let AnswerJson { spark, answer, rating, text } =
        serde_json::from_slice(payload).map_err(|error| format!("no answer to a spark: {error}"))?;
    check(&Said { spark, answer, rating, text })
}

/// Checks what the form cannot; the same for whoever answers.
///
/// # Errors
/// As [`parse`].
pub fn check(said: &Said) -> Result<Said, String> {
    if said.answer == Answer::Ignored {
        return Err("\"ignored\" is what no answer counts as: say accepted or declined".to_owned());
    }
    if said.rating.is_some_and(|rating| !(1..=5).contains(&rating)) {
        return Err(format!("rating {}, wanted 1 to 5", said.rating.unwrap_or_default()));
    }
    if said.text.len() > TEXT_BYTES_MAX {
        return Err(format!("text of {} bytes, at most {TEXT_BYTES_MAX}", said.text.len()));
    }
    if said.spark.is_empty() || said.spark.len() > ID_BYTES_MAX {
        return Err(format!("spark id of {} bytes, wanted 1 to {ID_BYTES_MAX}", said.spark.len()));
    }
    Ok(said.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_what_it_adds() {
        let said = parse(br#"{"spark":"r:gw-1-7","answer":"accepted","rating":5,"text":"gladly"}"#).unwrap();
        let wanted = ("r:gw-1-7", Answer::Accepted, Some(5), "gladly");
        assert_eq!((said.spark.as_str(), said.answer, said.rating, said.text.as_str()), wanted);
        let short = parse(br#"{"spark":"r:gw-1-7","answer":"declined"}"#).unwrap();
        assert_eq!((short.answer, short.rating, short.text.as_str()), (Answer::Declined, None, ""));
    }

    #[test]
    fn what_is_no_answer_is_refused_with_its_place() {
        let error = |payload: &str| parse(payload.as_bytes()).unwrap_err();
        assert!(error("{\n \"spark\": 7}").contains("line 2 column 11"), "{}", error("{\n \"spark\": 7}"));
        assert!(error(r#"{"spark":"a","answer":"maybe"}"#).contains("expected one of `accepted`"));
        assert!(error(r#"{"spark":"a","answer":"ignored"}"#).contains("say accepted or declined"));
        assert_eq!(error(r#"{"spark":"a","answer":"accepted","rating":6}"#), "rating 6, wanted 1 to 5");
        assert!(error(r#"{"spark":"","answer":"accepted"}"#).contains("spark id of 0 bytes"));
        assert!(error(&format!("{{\"spark\":\"{}\"}}", "x".repeat(9_000))).contains("at most 4096"));
        let words = format!("{{\"spark\":\"a\",\"answer\":\"accepted\",\"text\":\"{}\"}}", "x".repeat(1_025));
        assert_eq!(error(&words), "text of 1025 bytes, at most 1024");
    }
}
