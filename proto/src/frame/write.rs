//! Writing frames item by item into a slice.

use serde::Serialize;

use super::{Event, Header, LEN_MAX, MAGIC, MacKind, T0_MS_MAX, TEXT_LEN_MAX, Text, TimeSync, tag};

use crate::bits::Full;
use crate::chunk::{self, Clock, EncodeError, Plan, Source, Times};
use crate::varint;

/// Builds one frame in the caller's buffer; what does not fit is refused and leaves the frame as it was.
#[derive(Debug)]
pub struct FrameWriter<'b> {
    out: &'b mut [u8],
    len: usize,
    t0_ms: u64,
}

impl<'b> FrameWriter<'b> {
    /// Starts a frame. Of `out` at most [`LEN_MAX`] bytes are used.
    ///
    /// # Errors
    /// `Full`; `Times` when `t0_ms` is above [`T0_MS_MAX`].
    pub fn new(out: &'b mut [u8], header: &Header) -> Result<Self, EncodeError> {
        let usable = out.len().min(LEN_MAX);
        let (out, _) = out.split_at_mut(usable);
        let len = put_header(out, header)?;
        Ok(Self { out, len, t0_ms: header.t0_ms })
    }

    /// Appends a chunk of `group` (0..=0x3F); its columns in schema order, all of them.
    ///
    /// # Errors
    /// Any [`EncodeError`].
    pub fn chunk<'a>(
        &mut self,
        group: u8,
        clock: Clock,
        times: Times<'_>,
        columns: impl IntoIterator<Item = Source<'a>, IntoIter: Clone>,
    ) -> Result<(), EncodeError> {
        self.chunk_planned(group, clock, times, Plan::Best, columns)
    }

    /// [`FrameWriter::chunk`] with a given plan for the times.
    ///
    /// # Errors
    /// Any [`EncodeError`].
    pub fn chunk_planned<'a>(
        &mut self,
        group: u8,
        clock: Clock,
        times: Times<'_>,
        time_plan: Plan,
        columns: impl IntoIterator<Item = Source<'a>, IntoIter: Clone>,
    ) -> Result<(), EncodeError> {
        self.len = put_chunk(self.out, self.len, self.t0_ms, group, clock, times, time_plan, columns)?;
        Ok(())
    }

    /// Appends the device's clock.
    ///
    /// # Errors
    /// `Full`.
    pub fn time_sync(&mut self, sync: &TimeSync) -> Result<(), EncodeError> {
        self.item(tag::TIME_SYNC, sync)
    }

    /// Appends an event.
    ///
    /// # Errors
    /// `Full`.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), EncodeError> {
        self.item(tag::EVENT, event)
    }

    /// Appends a text.
    ///
    /// # Errors
    /// `Full`; `Shape` when it is longer than [`TEXT_LEN_MAX`].
    pub fn text(&mut self, text: &Text<'_>) -> Result<(), EncodeError> {
        check_text(text)?;
        self.item(tag::TEXT, text)
    }

    /// The bytes so far: with the device id before them, what an authentication code covers.
    pub fn bytes(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    /// Ends the frame; its bytes.
    pub fn finish(self) -> &'b [u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    /// Ends the frame with an authentication code over [`FrameWriter::bytes`]; its bytes.
    ///
    /// # Errors
    /// `Full`; `Shape` when `code` has not the scheme's length.
    pub fn finish_with_mac(mut self, kind: MacKind, code: &[u8]) -> Result<&'b [u8], EncodeError> {
        if code.len() != kind.code_len() {
            return Err(EncodeError::Shape);
        }
        self.len = put_raw(self.out, self.len, kind.tag(), code)?;
        Ok(self.finish())
    }

    /// The frame so far, and the free rest of the buffer.
    #[cfg(feature = "ed25519")]
    pub(crate) fn parts(&mut self) -> (&[u8], &mut [u8]) {
        let (frame, free) = self.out.split_at_mut(self.len);
        (frame, free)
    }

    fn item<T: Serialize>(&mut self, tag: u8, value: &T) -> Result<(), EncodeError> {
        self.len = put_item(self.out, self.len, tag, value)?;
        Ok(())
    }
}

pub(crate) fn check_text(text: &Text<'_>) -> Result<(), EncodeError> {
    if text.val.len() > TEXT_LEN_MAX { Err(EncodeError::Shape) } else { Ok(()) }
}

/// Writes a header at the front of `out`; its length.
pub(crate) fn put_header(out: &mut [u8], header: &Header) -> Result<usize, EncodeError> {
    if header.t0_ms > T0_MS_MAX {
        return Err(EncodeError::Times);
    }
    postcard::to_slice(&(MAGIC, header), out).map(|bytes| bytes.len()).map_err(|_| EncodeError::Full)
}

#[expect(clippy::too_many_arguments, reason = "the one place where a buffer, a frame and a chunk meet")]
pub(crate) fn put_chunk<'a>(
    out: &mut [u8],
    at: usize,
    t0_ms: u64,
    group: u8,
    clock: Clock,
    times: Times<'_>,
    time_plan: Plan,
    columns: impl IntoIterator<Item = Source<'a>, IntoIter: Clone>,
) -> Result<usize, EncodeError> {
    if group > tag::GROUP_MAX {
        return Err(EncodeError::Shape);
    }
    put_with(out, at, group, |body| chunk::encode(body, t0_ms, clock, times, time_plan, columns))
}

/// Writes an item at `at`; where the next one goes.
pub(crate) fn put_item<T: Serialize>(out: &mut [u8], at: usize, tag: u8, value: &T) -> Result<usize, EncodeError> {
    put_with(out, at, tag, |body| {
        postcard::to_slice(value, body).map(|bytes| bytes.len()).map_err(|_| EncodeError::Full)
    })
}

pub(crate) fn put_raw(out: &mut [u8], at: usize, tag: u8, body: &[u8]) -> Result<usize, EncodeError> {
    put_with(out, at, tag, |to| {
        to.get_mut(..body.len()).ok_or(EncodeError::Full)?.copy_from_slice(body);
        Ok(body.len())
    })
}

/// The length stands before the body but is known after it: the body is written for a one-byte length, then moved.
fn put_with(
    out: &mut [u8],
    at: usize,
    tag: u8,
    write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<usize, EncodeError> {
    let item = out.get_mut(at..).ok_or(Full)?;
    let body_len = write(item.get_mut(2..).ok_or(Full)?)?;
    let body_at = 1 + varint::len_u32(body_len as u32);
    if body_at + body_len > item.len() {
        return Err(EncodeError::Full);
    }
    item.copy_within(2..2 + body_len, body_at);
    *item.first_mut().ok_or(Full)? = tag;
    varint::put_u32(body_len as u32, item.get_mut(1..).ok_or(Full)?)?;
    Ok(at + body_at + body_len)
}
