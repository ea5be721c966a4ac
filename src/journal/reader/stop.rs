//! Where a journal cannot be read on: a torn tail, or damage.

use std::sync::Arc;

use super::super::fault::{Damage, DamageKind, JournalFault};
use super::super::frame::{SEGMENT_HEADER_BYTES, SegmentHeader, first_of_segment, frames_anywhere};
use super::{Cut, OpenSegment, Progress, Reader, Tail, header_of, segments_of};
use crate::storage::Directory;

/// What can be read behind a place that cannot.
#[derive(Debug, Default)]
struct Behind {
    /// Up to where the journal was synced, by any of it.
    synced_to: u64,
    /// The first sequence number beyond the place.
    resumes_at: Option<u64>,
    records: u64,
    bytes: u64,
}

impl Behind {
    fn note(&mut self, first: u64, synced_to: u64, count: u32, expected: u64) {
        self.synced_to = self.synced_to.max(synced_to);
        self.records += u64::from(count);
        if first > expected && self.resumes_at.is_none_or(|known| first < known) {
            self.resumes_at = Some(first);
        }
    }
}

impl Reader {
    /// Whether there is a journal to read, and it begins with the event of this sequence number.
    #[must_use]
    pub fn begins_with(&self, sequence: u64) -> bool {
        let begins = |name: &String| first_of_segment(name) == Some(sequence);
        self.segments.front().is_some_and(begins)
    }

    /// Reads nothing, and plans to set aside all that there is: nothing of it goes on from the sequence
    /// number `from`, where a snapshot ends.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn past_all(directory: Arc<dyn Directory>, from: u64) -> Result<Self, JournalFault> {
        let segments = segments_of(&*directory)?;
        let mut reader = Self::over(directory, segments, from);
        reader.ending.next = from;
        reader.cut_unread(true);
        Ok(reader)
    }

    /// Goes on behind what cannot be read where a snapshot holds all of that: at the first whole frame that
    /// does not begin beyond what is wanted. Returns whether there is one.
    pub(super) fn passes_unwanted(&mut self, segment: &mut OpenSegment) -> bool {
        let (next, from) = (self.ending.next, self.from);
        if next >= from {
            return false;
        }
        let rest = segment.bytes.get(segment.at..).unwrap_or_default();
        let mut frames = frames_anywhere(rest);
        let found = frames.find(|(_, frame)| (next..=from).contains(&frame.first));
        let Some((at, first)) = found.map(|(at, frame)| (at, frame.first)) else {
            return false;
        };
        segment.at += at;
        self.ending.next = first;
        true
    }

    /// Nothing can be read in order from `offset` of `segment` on: a torn tail, or damage.
    pub(super) fn stop(
        &mut self,
        segment: &OpenSegment,
        offset: usize,
        kind: DamageKind,
    ) -> Result<(), JournalFault> {
        let expected = self.expected();
        let behind = self.behind(segment, offset, expected)?;
        let is_record = matches!(kind, DamageKind::NoRecord(_));
        if behind.synced_to >= expected || is_record {
            let damage = Damage {
                file: segment.name.clone(),
                offset: offset as u64,
                kind,
                lost_from: expected,
                lost_to: behind.resumes_at.map(|resumes_at| resumes_at - 1),
                readable_behind: behind.records,
            };
            if !self.sets_damage_aside {
                return Err(JournalFault::Damage(damage));
            }
            self.cut_from(segment, offset, true);
            self.ending.tail = Tail::SetAside(damage);
        } else {
            // Nothing says that it was synced, but nothing says either why it cannot be read: what can be is not
            // thrown away.
            self.cut_from(segment, offset, behind.records > 0);
            self.ending.tail = Tail::Torn {
                file: segment.name.clone(),
                offset: offset as u64,
                bytes: behind.bytes,
                readable_behind: behind.records,
            };
        }
        self.progress = Progress::Ended;
        Ok(())
    }

    fn behind(
        &self,
        segment: &OpenSegment,
        offset: usize,
        expected: u64,
    ) -> Result<Behind, JournalFault> {
        let mut behind = Behind::default();
        let mut note = |name: &str, bytes: &[u8], offset: usize| {
            let rest = bytes.get(offset..).unwrap_or_default();
            behind.bytes += rest.len() as u64;
            if offset == 0
                && let Some(SegmentHeader { first, synced_to }) = header_of(name, bytes)?
            {
                behind.note(first, synced_to, 0, expected);
            }
            for (_, frame) in frames_anywhere(rest) {
                behind.note(frame.first, frame.synced_to, frame.count, expected);
            }
            Ok(())
        };
        note(&segment.name, &segment.bytes, offset)?;
        for name in &self.segments {
            note(name, &self.open(name.clone())?.bytes, 0)?;
        }
        Ok(behind)
    }

    /// Plans to cut off every segment that is still to be read.
    pub(super) fn cut_unread(&mut self, keep_a_copy: bool) {
        let unread = self.segments.drain(..).rev();
        let cuts = unread.map(|file| Cut::Remove { file, keep_a_copy });
        self.ending.cuts = cuts.collect();
    }

    /// Plans to cut off everything from `offset` of `segment` on.
    pub(super) fn cut_from(&mut self, segment: &OpenSegment, offset: usize, keep_a_copy: bool) {
        self.cut_unread(keep_a_copy);
        let file = segment.name.clone();
        self.ending.cuts.push(if offset <= SEGMENT_HEADER_BYTES {
            Cut::Remove { file, keep_a_copy }
        } else {
            self.ending.unclosed = Some(file.clone());
            Cut::Truncate {
                file,
                length: offset as u64,
                keep_a_copy,
            }
        });
    }
}
