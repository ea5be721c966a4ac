//! Reads all events of a journal in order, and how it ends.
//!
//! A journal that was not closed ends where its process or its machine stopped. A torn tail is ordinary: it is
//! cut off, and reported. Everything else that is unreadable or missing is damage. What can be read behind it
//! tells which: a frame saying that the journal was synced beyond that place proves that what stood there is
//! lost.

use std::collections::VecDeque;
use std::io::Read as _;
use std::mem;
use std::sync::Arc;

use super::codec::{DecodeError, Decoder};
use super::event::Event;
use super::fault::{Damage, DamageKind, JournalFault};
use super::frame::{
    FORMAT_VERSION, Frame, FrameKind, SEGMENT_HEADER_BYTES, SegmentHeader, first_of_segment,
};
use super::header::HeaderFault;
use super::record::decode_next;
use crate::storage::{Directory, read_whole};

mod ending;
mod segments;
mod stop;

pub(super) use ending::Cut;
pub use ending::{Ending, SegmentSummary, Tail};
pub(super) use segments::segments_of;
pub use segments::{has_segments, is_kept_in};

/// How much is read of a file that is called a segment: 32 times what this version writes (`segment_bytes_max`), for
/// another may write larger ones. What is larger still is none, and memory does not hold it.
const SEGMENT_READ_BYTES_MAX: usize = 1 << 31;

/// Few records have fewer bytes.
const RECORD_BYTES_FEW: usize = 32;

/// Reads the events of a journal.
#[derive(Debug)]
pub struct Reader {
    directory: Arc<dyn Directory>,
    /// The segments still to be read.
    segments: VecDeque<String>,
    current: Option<OpenSegment>,
    /// The sequence number from which on events are wanted.
    from: u64,
    /// Read, but not yet handed out.
    events: VecDeque<(u64, Event<'static>)>,
    /// What ended the reading, to be told once they are.
    fault: Option<JournalFault>,
    sets_damage_aside: bool,
    ending: Ending,
    summaries: Vec<SegmentSummary>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Reading,
    Ended,
    Failed,
}

#[derive(Debug)]
struct OpenSegment {
    name: String,
    bytes: Vec<u8>,
    /// How far it has been read.
    at: usize,
    finished: bool,
}

impl Reader {
    /// Reads all that there is, from the first segment on.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn whole(directory: Arc<dyn Directory>) -> Result<Self, JournalFault> {
        let segments = segments_of(&*directory)?;
        let first = segments.front().and_then(|name| first_of_segment(name));
        Ok(Self::over(directory, segments, first.unwrap_or(1)))
    }

    /// Reads the events from the sequence number `from` on: those that a snapshot does not hold.
    ///
    /// # Errors
    /// When the directory cannot be read; [`JournalFault::Damage`] when there is a journal, but not from
    /// there on.
    pub fn from(directory: Arc<dyn Directory>, from: u64) -> Result<Self, JournalFault> {
        let mut segments = segments_of(&*directory)?;
        let firsts = segments.iter().filter_map(|name| first_of_segment(name));
        let begun_before = firsts.filter(|first| *first <= from).count();
        if let Some(file) = segments.front()
            && begun_before == 0
        {
            return Err(JournalFault::Damage(Damage {
                file: file.clone(),
                offset: 0,
                kind: DamageKind::Missing,
                lost_from: from,
                lost_to: first_of_segment(file).map(|first| first.saturating_sub(1)),
                readable_behind: 0,
            }));
        }
        segments.drain(..begun_before.saturating_sub(1));
        Ok(Self::over(directory, segments, from))
    }

    /// The same, going on with what stands before damage where there is any.
    #[must_use]
    pub fn setting_damage_aside(self) -> Self {
        Self {
            sets_damage_aside: true,
            ..self
        }
    }

    fn over(directory: Arc<dyn Directory>, segments: VecDeque<String>, from: u64) -> Self {
        let first = segments.front().and_then(|name| first_of_segment(name));
        Self {
            directory,
            segments,
            current: None,
            from,
            events: VecDeque::new(),
            fault: None,
            sets_damage_aside: false,
            ending: Ending {
                next: first.unwrap_or(from),
                tail: Tail::Open,
                cuts: Vec::new(),
                unclosed: None,
            },
            summaries: Vec::new(),
            progress: Progress::Reading,
        }
    }

    /// How the journal ends, once all of it has been read; `None` before, and after an error.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        let over = self.progress == Progress::Ended && self.events.is_empty();
        over.then(|| Ending {
            next: self.ending.next.max(self.from),
            ..self.ending.clone()
        })
    }

    /// The segments that were read so far.
    #[must_use]
    pub fn segments(&self) -> &[SegmentSummary] {
        &self.summaries
    }

    /// The next events, `enough` or up to a frame more of them; fewer where the journal ends, or cannot be
    /// read on, and none where there are no more.
    ///
    /// # Errors
    /// When the journal cannot be read on; nothing comes after it.
    pub fn read_batch(
        &mut self,
        enough: usize,
    ) -> Result<Vec<(u64, Event<'static>)>, JournalFault> {
        self.read_on(enough)?;
        // Not copied: they are large, and there are many.
        Ok(mem::take(&mut self.events).into())
    }

    /// The next sequence number that must come for nothing to be missing.
    fn expected(&self) -> u64 {
        self.ending.next.max(self.from)
    }

    /// Reads on until there are `enough` events to hand out, or nothing more. What cannot be read on is told
    /// once everything before it has been handed out.
    fn read_on(&mut self, enough: usize) -> Result<(), JournalFault> {
        while self.events.len() < enough && self.progress == Progress::Reading {
            let read = match self.current.take() {
                None => self.open_next(),
                Some(segment) => self.read_frame(segment),
            };
            if let Err(fault) = read {
                // Nothing comes after it, and there is no ending to go on from.
                self.progress = Progress::Failed;
                self.fault = Some(fault);
            }
        }
        match self.events.is_empty() {
            true => self.fault.take().map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    fn open_next(&mut self) -> Result<(), JournalFault> {
        let Some(name) = self.segments.pop_front() else {
            self.progress = Progress::Ended;
            return Ok(());
        };
        let mut segment = self.open(name)?;
        self.summaries.push(SegmentSummary {
            file: segment.name.clone(),
            first: first_of_segment(&segment.name).unwrap_or(0),
            records: 0,
            frames: 0,
            bytes: segment.bytes.len() as u64,
            closed: false,
        });
        match header_of(&segment.name, &segment.bytes)? {
            Some(header) if header.first == self.ending.next => {
                let at = SEGMENT_HEADER_BYTES;
                self.current = Some(OpenSegment { at, ..segment });
                Ok(())
            }
            Some(_) => self.stop(&segment, 0, DamageKind::Missing),
            None if self.passes_unwanted(&mut segment) => {
                self.current = Some(segment);
                Ok(())
            }
            None => self.stop(&segment, 0, DamageKind::Unreadable),
        }
    }

    fn read_frame(&mut self, mut segment: OpenSegment) -> Result<(), JournalFault> {
        let at = segment.at;
        let rest = segment.bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return self.leave(&segment);
        }
        match Frame::read(rest) {
            Some(frame) if frame.first == self.ending.next => {
                if frame.kind == FrameKind::Records {
                    if let Err(error) = self.take_records(&frame) {
                        let kind = DamageKind::NoRecord(error);
                        return self.stop(&segment, at, kind);
                    }
                    self.ending.next = frame.next();
                }
                segment.at += frame.length();
                let finished = frame.kind == FrameKind::Finished;
                segment.finished = finished;
                if let Some(summary) = self.summaries.last_mut() {
                    summary.records += u64::from(frame.count);
                    summary.frames += u64::from(frame.kind == FrameKind::Records);
                    summary.closed = frame.kind != FrameKind::Records;
                }
                self.current = Some(segment);
                Ok(())
            }
            Some(_) => self.leave_unread(segment, DamageKind::Missing),
            None => self.leave_unread(segment, DamageKind::Unreadable),
        }
    }

    /// The records of a frame, those that are wanted. All of them or none: what is cut off is cut off
    /// by the frame.
    fn take_records(&mut self, frame: &Frame<'_>) -> Result<(), DecodeError> {
        if frame.next() <= self.from {
            return Ok(());
        }
        let mut decoder = Decoder::new(frame.payload);
        let before = self.events.len();
        let read = self.decode_records(frame, &mut decoder);
        read.inspect_err(|_| self.events.truncate(before))
    }

    fn decode_records(
        &mut self,
        frame: &Frame<'_>,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), DecodeError> {
        // Of what is read, not of what a number says.
        let records_max = frame.payload.len() / RECORD_BYTES_FEW;
        self.events.reserve(records_max.min(frame.count as usize));
        for sequence in frame.first..frame.next() {
            let event = decode_next(decoder)?;
            if sequence >= self.from {
                self.events.push_back((sequence, event));
            }
        }
        decoder.end("frame")
    }

    /// All of a segment was read: on to the next.
    fn leave(&mut self, segment: &OpenSegment) -> Result<(), JournalFault> {
        if self.segments.is_empty() {
            self.progress = Progress::Ended;
            let last = self.summaries.last();
            let (closed, is_empty) = last.map_or((false, true), |last| {
                (last.closed, last.first == self.ending.next)
            });
            if segment.finished {
                self.ending.tail = Tail::Closed;
            }
            if is_empty {
                // It was begun and never used; the next one will have its name.
                self.cut_from(segment, 0, false);
            } else if !closed {
                self.ending.unclosed = Some(segment.name.clone());
            }
            return Ok(());
        }
        if self.next_continues()? {
            return Ok(());
        }
        self.stop(segment, segment.at, DamageKind::Missing)
    }

    /// A segment cannot be read to its end. Where the next one continues what was read, only its closing
    /// frame is missing.
    fn leave_unread(
        &mut self,
        mut segment: OpenSegment,
        kind: DamageKind,
    ) -> Result<(), JournalFault> {
        if self.next_continues()? {
            return Ok(());
        }
        if self.passes_unwanted(&mut segment) {
            self.current = Some(segment);
            return Ok(());
        }
        self.stop(&segment, segment.at, kind)
    }

    fn next_continues(&self) -> Result<bool, JournalFault> {
        let Some(next) = self.segments.front() else {
            return Ok(false);
        };
        let mut head = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        self.directory
            .read(next)
            .and_then(|file| {
                file.take(SEGMENT_HEADER_BYTES as u64)
                    .read_to_end(&mut head)
            })
            .map_err(JournalFault::storage(format_args!("reading {next}")))?;
        let header = header_of(next, &head)?;
        Ok(header.is_some_and(|header| header.first == self.ending.next))
    }

    fn open(&self, name: String) -> Result<OpenSegment, JournalFault> {
        let bytes = read_whole(&*self.directory, &name, SEGMENT_READ_BYTES_MAX)
            .map_err(JournalFault::storage(format_args!("reading {name}")))?;
        Ok(OpenSegment {
            name,
            bytes,
            at: 0,
            finished: false,
        })
    }
}

/// What the segment's header says, if it can be read and agrees with its name.
fn header_of(name: &str, segment: &[u8]) -> Result<Option<SegmentHeader>, JournalFault> {
    match SegmentHeader::read(segment) {
        Ok(header) => {
            let named = first_of_segment(name);
            Ok((named == Some(header.first)).then_some(header))
        }
        Err(HeaderFault::Unreadable) => Ok(None),
        Err(HeaderFault::Version(found)) => Err(JournalFault::Version {
            file: name.to_owned(),
            found,
            read: FORMAT_VERSION,
        }),
    }
}

impl Iterator for Reader {
    type Item = Result<(u64, Event<'static>), JournalFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(fault) = self.read_on(1) {
            return Some(Err(fault));
        }
        self.events.pop_front().map(Ok)
    }
}
