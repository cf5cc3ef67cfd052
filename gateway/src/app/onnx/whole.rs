//! Whether a file is a whole ONNX model: protobuf messages, each of the length it says, none too deep in another.
//!
//! The runtime's parser believes lengths, and takes memory for them before it looks for the bytes; and it goes as deep as
//! the file does. Both end the process. So what it will descend into is walked here first, without taking anything.

/// What is wrong with it, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotWhole {
    /// No bytes.
    #[error("is empty")]
    Empty,
    /// Something says it is longer than what it is in.
    #[error("is damaged or cut off at byte {at}: {what} wants {wanted} bytes, {left} are left")]
    Short { at: usize, what: &'static str, wanted: u64, left: usize },
    /// Bytes that are no protobuf.
    #[error("is no ONNX model or damaged: byte {at}, in {what}, begins no field")]
    NoField { at: usize, what: &'static str },
    /// Graphs within graphs within graphs.
    #[error("has more than {} levels at byte {at}", DEPTH_MAX)]
    Deep { at: usize },
}

/// Levels of messages: a graph in a branch of a graph takes three.
const DEPTH_MAX: usize = 32;

/// The messages that are descended into; numbers of fields as in `onnx.proto3`.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Sequence,
    Shape,
    Leaf,
}

impl Message {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "the model",
            Self::Graph => "a graph",
            Self::Node => "a node",
            Self::Attribute => "an attribute",
            Self::Tensor => "a tensor",
            Self::Value | Self::Type | Self::TensorType | Self::Sequence | Self::Shape => "a value's type",
            Self::Leaf => "a name or version",
        }
    }

    /// What is inside a field, where that is a message the runtime reads.
    fn inside(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6) => Self::Graph,
            (Self::Model, 8 | 14) | (Self::Tensor, 13) | (Self::Shape, 1) => Self::Leaf,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::Value,
            (Self::Node, 5) => Self::Attribute,
            (Self::Value, 2) | (Self::Sequence, 1) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::Sequence,
            (Self::TensorType, 2) => Self::Shape,
            _ => return None,
        })
    }
}

/// Walks a file.
///
/// # Errors
/// [`NotWhole`], naming the byte.
pub(super) fn check(bytes: &[u8]) -> Result<(), NotWhole> {
    if bytes.is_empty() {
        return Err(NotWhole::Empty);
    }
    let mut open = vec![(Message::Model, bytes.len())];
    let mut at = 0;
    while let Some(&(message, end)) = open.last() {
        if at >= end {
            open.pop();
            continue;
        }
        let (start, what) = (at, message.name());
        let no_field = NotWhole::NoField { at: start, what };
        let key = varint(bytes, &mut at, end).ok_or(no_field)?;
        let wanted = match key & 7 {
            0 => varint(bytes, &mut at, end).map(|_| 0),
            1 => Some(8),
            2 => varint(bytes, &mut at, end),
            5 => Some(4),
            _ => None,
        };
        let wanted = wanted.filter(|_| key >> 3 != 0).ok_or(NotWhole::NoField { at: start, what })?;
        let left = end - at;
        let len = usize::try_from(wanted).ok().filter(|len| *len <= left);
        let Some(len) = len else { return Err(NotWhole::Short { at: start, what, wanted, left }) };
        match message.inside(key >> 3).filter(|_| key & 7 == 2) {
            Some(_) if open.len() >= DEPTH_MAX => return Err(NotWhole::Deep { at: start }),
            Some(inner) => open.push((inner, at + len)),
            None => at += len,
        }
    }
    Ok(())
}

fn varint(bytes: &[u8], at: &mut usize, end: usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).filter(|_| *at < end)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, inside: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut len = inside.len();
        while len >= 0x80 {
            field.push(len as u8 | 0x80);
            len >>= 7;
        }
        field.push(len as u8);
        [field, inside.to_vec()].concat()
    }

    #[test]
    fn a_length_beyond_what_it_is_in_is_told_with_its_byte() {
        assert_eq!(check(&[]), Err(NotWhole::Empty));
        let node = field(1, &field(4, b"Gemm"));
        let model = [vec![0x08, 9], field(7, &node)].concat();
        assert_eq!(check(&model), Ok(()));
        for cut in 1..model.len() {
            // A whole field of a version alone is a whole message.
            assert_eq!(check(&model[..cut]).is_ok(), cut == 2, "{cut} bytes");
        }
        let mut longer = model.clone();
        longer[7] = 200;
        assert!(check(&longer).is_err());
        let claim = [vec![0x08, 9, 7 << 3 | 2, 2, 1 << 3 | 2], vec![100]].concat();
        let short = NotWhole::Short { at: 4, what: "a graph", wanted: 100, left: 0 };
        assert_eq!(check(&claim), Err(short));
        let huge = [&[0x3a][..], &[0xff; 9], &[0x01]].concat();
        assert_eq!(check(&huge), Err(NotWhole::Short { at: 0, what: "the model", wanted: u64::MAX, left: 0 }));
    }

    #[test]
    fn what_is_no_protobuf_is_no_model() {
        for (bytes, at) in [(&b"[halo]\n"[..], 0), (&[0x00, 0x01], 0), (&[0x08, 9, 0x0f], 2), (&[0x08; 3], 2)] {
            assert_eq!(check(bytes), Err(NotWhole::NoField { at, what: "the model" }), "{bytes:?}");
        }
    }

    #[test]
    fn a_number_does_not_go_on_behind_what_it_is_in() {
        assert_eq!(check(&[0x3a, 2, 0x08, 0x80, 0x01]), Err(NotWhole::NoField { at: 2, what: "a graph" }));
    }

    #[test]
    fn graphs_in_graphs_end_somewhere() {
        let nested = |levels: usize| {
            let body = (0..levels).fold(Vec::new(), |inside, _| field(1, &field(5, &field(6, &inside))));
            field(7, &body)
        };
        assert_eq!(check(&nested(8)), Ok(()));
        assert!(matches!(check(&nested(40)), Err(NotWhole::Deep { .. })));
        assert!(matches!(check(&nested(2_000)), Err(NotWhole::Deep { .. })));
    }
}
