//! Whether a frame can be decoded, and when its rows were read, without its values.

use alloc::vec::Vec;

use super::decode::{Bounds, DecodeError, grow};
use super::{Column, Group, Schema};
use crate::chunk::{Chunk, ChunkError};
use crate::frame::{Frame, Item, TimeSync};

/// What a frame says without its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Device uptime of the first row that has a value, of any group, ms.
    pub first_ms: Option<i64>,
    /// Of the last such row or event, ms.
    pub last_ms: Option<i64>,
    /// The device's clock, if the frame says it; of several the last.
    pub sync: Option<TimeSync>,
}

impl Survey {
    fn take_row(&mut self, first_ms: i64, last_ms: i64) {
        self.first_ms = Some(self.first_ms.map_or(first_ms, |known| known.min(first_ms)));
        self.take_last(last_ms);
    }

    fn take_last(&mut self, last_ms: i64) {
        self.last_ms = self.last_ms.max(Some(last_ms));
    }
}

/// Surveys frames; keep one, its buffers are reused.
#[derive(Clone, Debug, Default)]
pub struct Surveyor {
    bounds: Bounds,
    times: Vec<i64>,
}

impl Surveyor {
    /// Reads all of `frame` and keeps none of its values: what can be surveyed can be decoded by
    /// [`super::decode_into`], and what cannot fails there with the same error.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    pub fn survey(&mut self, frame: &Frame<'_>, schema: &Schema) -> Result<Survey, DecodeError> {
        let header = frame.header();
        schema.check_is_of(&header)?;
        self.bounds.begin(schema.groups.len());
        let mut survey = Survey::default();
        for item in frame.items() {
            match item {
                Item::Chunk { group, chunk } => {
                    let columns = schema.groups.get(usize::from(group)).ok_or(DecodeError::Group { group })?;
                    self.chunk(header.t0_ms, group, &chunk, columns, &mut survey)
                        .map_err(|error| DecodeError::Chunk { group, error })?;
                }
                Item::TimeSync(sync) => survey.sync = Some(sync),
                Item::Event(event) => survey.take_last(event.time_ms(header.t0_ms)),
                Item::Text(_) | Item::Unknown { .. } | Item::Mac(_) => {}
            }
        }
        Ok(survey)
    }

    fn chunk(
        &mut self,
        t0_ms: u64,
        tag: u8,
        chunk: &Chunk<'_>,
        group: &Group,
        survey: &mut Survey,
    ) -> Result<(), ChunkError> {
        self.bounds.take(chunk.rows(), group.columns.len())?;
        grow(&mut self.times, chunk.rows(), 0);
        let times = self.times.get_mut(..chunk.rows()).unwrap_or_default();
        let seen = chunk.survey(t0_ms, group.clock, group.columns.iter().map(Column::coding), times)?;
        self.bounds.follow(usize::from(tag), times)?;
        if let Some((first, last)) = seen
            && let (Some(first_ms), Some(last_ms)) = (times.get(first), times.get(last))
        {
            survey.take_row(*first_ms, *last_ms);
        }
        Ok(())
    }
}
