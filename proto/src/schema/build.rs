//! Building frames in a growing buffer.

use alloc::vec::Vec;

use super::Schema;
use crate::chunk::{EncodeError, Plan, Source, Times};
use crate::frame::{self, Event, HEADER_LEN_MAX, Header, LEN_MAX, Text, TimeSync, tag};

/// Builds frames in one reused buffer. What fails leaves the frame as it was.
#[derive(Clone, Debug, Default)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
    t0_ms: u64,
}

impl FrameBuilder {
    /// An empty builder; [`FrameBuilder::begin`] comes next.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a frame, forgetting the one before.
    ///
    /// # Errors
    /// `Times` when `t0_ms` is above [`frame::T0_MS_MAX`].
    pub fn begin(&mut self, header: &Header) -> Result<&mut Self, EncodeError> {
        self.bytes.clear();
        self.t0_ms = header.t0_ms;
        self.put(HEADER_LEN_MAX, |out, _| frame::put_header(out, header))
    }

    /// Appends rows of one group of `schema`: for each of its columns a slice with a slot per row, `None` = null.
    ///
    /// # Errors
    /// Any [`EncodeError`]; `Full` when the frame would pass [`LEN_MAX`].
    pub fn chunk(
        &mut self,
        schema: &Schema,
        group: usize,
        times: Times<'_>,
        columns: &[&[Option<i64>]],
    ) -> Result<&mut Self, EncodeError> {
        let tag = u8::try_from(group).map_err(|_| EncodeError::Shape)?;
        let group = schema.groups.get(group).ok_or(EncodeError::Shape)?;
        if group.columns.len() != columns.len() {
            return Err(EncodeError::Shape);
        }
        let sources = (group.columns.iter().zip(columns)).map(|(column, values)| Source {
            coding: column.coding(),
            values,
            plan: Plan::Best,
        });
        // A code has at most 86 bits; a column adds a bitmap and a mode, the times are a column more.
        let rows = columns.first().map_or(0, |column| column.len());
        let bound = 16 + (columns.len() + 1) * (rows * 12 + 4);
        let t0_ms = self.t0_ms;
        self.put(bound, |out, at| frame::put_chunk(out, at, t0_ms, tag, group.clock, times, Plan::Best, sources))
    }

    /// Appends the device's clock.
    ///
    /// # Errors
    /// `Full`.
    pub fn time_sync(&mut self, sync: &TimeSync) -> Result<&mut Self, EncodeError> {
        self.put(32, |out, at| frame::put_item(out, at, tag::TIME_SYNC, sync))
    }

    /// Appends an event.
    ///
    /// # Errors
    /// `Full`.
    pub fn event(&mut self, event: &Event<'_>) -> Result<&mut Self, EncodeError> {
        self.put(64 + event.data.len(), |out, at| frame::put_item(out, at, tag::EVENT, event))
    }

    /// Appends a text.
    ///
    /// # Errors
    /// `Full`; `Shape` when it is longer than [`frame::TEXT_LEN_MAX`].
    pub fn text(&mut self, text: &Text<'_>) -> Result<&mut Self, EncodeError> {
        frame::check_text(text)?;
        self.put(16 + text.val.len(), |out, at| frame::put_item(out, at, tag::TEXT, text))
    }

    /// The frame so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Ends the frame; its bytes.
    pub fn finish(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    /// Lets `write` append to a buffer grown by `bound` bytes; it says where the frame then ends.
    fn put(
        &mut self,
        bound: usize,
        write: impl FnOnce(&mut [u8], usize) -> Result<usize, EncodeError>,
    ) -> Result<&mut Self, EncodeError> {
        let at = self.bytes.len();
        self.bytes.resize((at + bound).min(LEN_MAX).max(at), 0);
        let written = write(&mut self.bytes, at);
        self.bytes.truncate(*written.as_ref().unwrap_or(&at));
        written.map(|_| self)
    }
}
