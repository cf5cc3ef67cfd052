//! What a topic name and a topic filter may look like, and when they match. Loops, never recursion, over levels.

/// Deepest topic, in levels.
pub(crate) const LEVELS_MAX: usize = 32;
/// Longest topic, in bytes.
pub(crate) const BYTES_MAX: usize = 1_024;

/// Why a topic name or filter is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It has no character.
    #[error("topic is empty")]
    Empty,
    /// It is too long.
    #[error("topic has {len} bytes, limit is {BYTES_MAX}")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// It is too deep.
    #[error("topic has more than {LEVELS_MAX} levels")]
    TooDeep,
    /// A name holds `+` or `#`, or a filter has one where it may not be.
    #[error("topic has a misplaced wildcard")]
    Wildcard,
    /// It holds U+0000.
    #[error("topic holds U+0000")]
    Nul,
}

/// Checks a name to publish to.
pub(crate) fn check_name(topic: &str) -> Result<(), TopicError> {
    check_size(topic)?;
    if topic.contains(['+', '#']) { Err(TopicError::Wildcard) } else { Ok(()) }
}

/// Checks a filter to subscribe with.
///
/// # Errors
/// The first rule it breaks.
pub fn check_filter(filter: &str) -> Result<(), TopicError> {
    check_size(filter)?;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        let placed = match level {
            "+" => true,
            "#" => last,
            level => !level.contains(['+', '#']),
        };
        if !placed {
            return Err(TopicError::Wildcard);
        }
    }
    Ok(())
}

fn check_size(topic: &str) -> Result<(), TopicError> {
    if topic.is_empty() {
        return Err(TopicError::Empty);
    }
    if topic.len() > BYTES_MAX {
        return Err(TopicError::TooLong { len: topic.len() });
    }
    if topic.bytes().filter(|&b| b == b'/').count() >= LEVELS_MAX {
        return Err(TopicError::TooDeep);
    }
    if topic.contains('\0') { Err(TopicError::Nul) } else { Ok(()) }
}

/// Whether a checked filter holds a wildcard.
pub(crate) fn has_wildcard(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

/// Whether a topic name belongs to the server: wildcards at the first level do not reach it.
pub(crate) fn is_server_topic(topic: &str) -> bool {
    topic.starts_with('$')
}

/// Whether `topic`, a checked name, matches `filter`, a checked filter (MQTT 5, 4.7).
pub fn matches(filter: &str, topic: &str) -> bool {
    if is_server_topic(topic) && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters_match_as_the_examples_of_the_standard_say() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "sport", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/x", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("a", "A", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn wildcards_stand_alone_and_hash_stands_last() {
        for filter in ["#", "+", "a/#", "+/b", "a/+/b/#", "/", "$SYS/#"] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
        }
        for filter in ["a#", "#/a", "a/#/b", "a+", "a/b+/c", "++"] {
            assert_eq!(check_filter(filter), Err(TopicError::Wildcard), "{filter}");
        }
        assert_eq!(check_name("a/+/b"), Err(TopicError::Wildcard));
        assert_eq!(check_name("a/#"), Err(TopicError::Wildcard));
    }

    #[test]
    fn a_topic_is_bounded_in_bytes_and_levels() {
        assert_eq!(check_name(""), Err(TopicError::Empty));
        assert_eq!(check_name(&"a".repeat(1_024)), Ok(()));
        assert_eq!(check_name(&"a".repeat(1_025)), Err(TopicError::TooLong { len: 1_025 }));
        assert_eq!(check_name(&"/".repeat(31)), Ok(()));
        assert_eq!(check_name(&"/".repeat(32)), Err(TopicError::TooDeep));
    }

    /// Matching by the letter of the standard: fold the lists of levels.
    fn naive(filter: &[&str], topic: &[&str], first: bool) -> bool {
        let server = first && topic.first().is_some_and(|t| t.starts_with('$'));
        match (filter.split_first(), topic.split_first()) {
            (None, None) => true,
            (Some((&"#", _)), _) => !server,
            (Some((&"+", rest)), Some((_, topic))) => !server && naive(rest, topic, false),
            (Some((level, rest)), Some((name, topic))) => level == name && naive(rest, topic, false),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_equals_the_naive_reading(filter in "[ab$+#/]{1,8}", topic in "[ab$/]{1,8}") {
            prop_assume!(check_filter(&filter).is_ok());
            let levels = |s: &'static str| s.split('/').collect::<Vec<_>>();
            let (f, t): (&'static str, &'static str) = (filter.clone().leak(), topic.clone().leak());
            prop_assert_eq!(matches(&filter, &topic), naive(&levels(f), &levels(t), true));
        }
    }
}
