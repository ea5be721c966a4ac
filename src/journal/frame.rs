//! Segments and frames as bytes.
//!
//! A segment is a header and frames; a frame holds the records of one write. Both begin with bytes that are not
//! UTF-8, so that nothing a gateway sends looks like one. Both say up to where the journal was synced when they
//! were written: after a power cut, unreadable bytes behind that point were torn, and unreadable bytes before
//! it are damage.
//!
//! ```text
//! segment  magic 8 · version 4 · first sequence number 8 · synced to 8 · checksum 4
//! frame    magic 4 · payload length 4 · first sequence number 8 · synced to 8 · count 4 · checksum 4 · payload
//! ```
//!
//! Numbers are little-endian. A checksum (CRC-32C) covers all of its header before it, and the payload.

use super::codec::{Decoded, Decoder};
use super::header::{FileKind, HeaderFault};

/// The version of the format that is written, and the only one so far that is read.
pub const FORMAT_VERSION: u32 = 1;

const SEGMENT: FileKind<2> = FileKind {
    magic: *b"\xfeDCHKJ\xff\n",
    version: FORMAT_VERSION,
};

/// How many bytes a segment's header has.
pub(super) const SEGMENT_HEADER_BYTES: usize = FileKind::<2>::HEADER_BYTES;

/// How many bytes a frame's header has.
pub(super) const FRAME_HEADER_BYTES: usize = 32;

/// With this many bytes a frame takes no more records: some hundred payments. What is read of one frame is
/// still in a core's own cache when it is redone.
pub(super) const PAYLOAD_BYTES_FULL: usize = 1 << 15;

/// The most bytes the records of a frame have: what makes it full, or once did, and one more record.
const PAYLOAD_BYTES_MAX: usize = (1 << 20) + (1 << 21);

const CHECKSUM_BYTES: usize = 4;

/// What kind of frame it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// It holds records.
    Records,
    /// It ends its segment, and another follows.
    Continued,
    /// It ends the journal: it was closed in peace.
    Finished,
}

const KINDS: [(FrameKind, [u8; 4]); 3] = [
    (FrameKind::Records, *b"\xfeDR\xff"),
    (FrameKind::Continued, *b"\xfeDC\xff"),
    (FrameKind::Finished, *b"\xfeDF\xff"),
];

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The sequence number of its first record.
    pub(super) first: u64,
    /// Up to where the journal was synced when the segment was begun.
    pub(super) synced_to: u64,
}

impl SegmentHeader {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        SEGMENT.header([self.first, self.synced_to])
    }

    pub(super) fn read(segment: &[u8]) -> Result<Self, HeaderFault> {
        let [first, synced_to] = SEGMENT.read(segment)?;
        Ok(Self { first, synced_to })
    }
}

/// A frame that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: FrameKind,
    /// The sequence number of its first record, or of the next one to come.
    pub(super) first: u64,
    /// Up to where the journal was synced when this was written.
    pub(super) synced_to: u64,
    /// How many records it holds.
    pub(super) count: u32,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`; `None` if there is none, or it is not whole.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (frame, checksum) = Self::fields(bytes).ok()??;
        let covered = bytes.get(..FRAME_HEADER_BYTES - CHECKSUM_BYTES)?;
        let found = crc32c::crc32c_append(crc32c::crc32c(covered), frame.payload);
        let holds_records = frame.kind == FrameKind::Records;
        let agrees = holds_records == (frame.count > 0);
        (found == checksum && agrees).then_some(frame)
    }

    fn fields(bytes: &'a [u8]) -> Decoded<Option<(Self, u32)>> {
        let mut decoder = Decoder::new(bytes);
        let magic: [u8; 4] = decoder.array("magic")?;
        let Some((kind, _)) = KINDS.into_iter().find(|(_, known)| *known == magic) else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(decoder.array("length")?) as usize;
        let first = u64::from_le_bytes(decoder.array("first")?);
        let synced_to = u64::from_le_bytes(decoder.array("synced to")?);
        let count = u32::from_le_bytes(decoder.array("count")?);
        let checksum = u32::from_le_bytes(decoder.array("checksum")?);
        if length > PAYLOAD_BYTES_MAX {
            return Ok(None);
        }
        let frame = Self {
            kind,
            first,
            synced_to,
            count,
            payload: decoder.take(length, "payload")?,
        };
        Ok(Some((frame, checksum)))
    }

    /// How many bytes it takes.
    pub(super) const fn length(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload.len()
    }

    /// The sequence number behind its last record.
    pub(super) const fn next(&self) -> u64 {
        self.first.saturating_add(self.count as u64)
    }
}

/// Every whole frame in `bytes`, and where it begins: what can be read behind something that cannot.
pub(super) fn frames_anywhere(bytes: &[u8]) -> impl Iterator<Item = (usize, Frame<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            let begin = rest.iter().position(|byte| *byte == KINDS[0].1[0])?;
            at += begin;
            if let Some(frame) = bytes.get(at..).and_then(Frame::read) {
                let found = at;
                at += frame.length();
                return Some((found, frame));
            }
            at += 1;
        }
    })
}

/// Empties `frame` but for room for its header.
pub(super) fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(FRAME_HEADER_BYTES, 0);
}

/// Makes a frame of the records that stand in `frame` behind room for its header.
pub(super) fn seal(frame: &mut [u8], kind: FrameKind, first: u64, synced_to: u64, count: u32) {
    let Some((header, payload)) = frame.split_at_mut_checked(FRAME_HEADER_BYTES) else {
        return;
    };
    let magic = KINDS.into_iter().find(|(known, _)| *known == kind);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut fields = Vec::with_capacity(FRAME_HEADER_BYTES);
    fields.extend_from_slice(&magic.map_or([0; 4], |(_, magic)| magic));
    fields.extend_from_slice(&length.to_le_bytes());
    fields.extend_from_slice(&first.to_le_bytes());
    fields.extend_from_slice(&synced_to.to_le_bytes());
    fields.extend_from_slice(&count.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&fields), payload);
    fields.extend_from_slice(&checksum.to_le_bytes());
    header.copy_from_slice(&fields);
}

/// A frame that ends a segment whose next record would be `next`.
pub(super) fn closing(kind: FrameKind, next: u64, synced_to: u64) -> [u8; FRAME_HEADER_BYTES] {
    let mut frame = [0; FRAME_HEADER_BYTES];
    seal(&mut frame, kind, next, synced_to, 0);
    frame
}

const SUFFIX: &str = ".journal";

/// The name of the segment that begins with this sequence number.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The first sequence number of the segment of this name; `None` if it is no segment.
pub(super) fn first_of_segment(name: &str) -> Option<u64> {
    let first = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8], first: u64, count: u32) -> Vec<u8> {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        bytes.extend_from_slice(payload);
        seal(&mut bytes, FrameKind::Records, first, 7, count);
        bytes
    }

    #[test]
    fn no_bit_of_a_header_or_a_frame_may_differ() {
        let header = SegmentHeader {
            first: 12,
            synced_to: 9,
        };
        let bytes = header.to_bytes();
        assert_eq!(SegmentHeader::read(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = SegmentHeader::read(&flipped);
            assert_eq!(found, Err(HeaderFault::Unreadable), "bit {bit}");
        }
        let bytes = frame(b"records", 12, 3);
        let found = Frame::read(&bytes).unwrap();
        assert_eq!(
            (found.first, found.count, found.payload),
            (12, 3, &b"records"[..])
        );
        assert_eq!((found.next(), found.length()), (15, bytes.len()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::read(&flipped), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Frame::read(&bytes[..length]), None);
        }
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let mut bytes = SegmentHeader {
            first: 1,
            synced_to: 0,
        }
        .to_bytes();
        bytes[8] = 2;
        let checksum = crc32c::crc32c(&bytes[..SEGMENT_HEADER_BYTES - CHECKSUM_BYTES]);
        bytes[SEGMENT_HEADER_BYTES - CHECKSUM_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(SegmentHeader::read(&bytes), Err(HeaderFault::Version(2)));
    }

    #[test]
    fn whole_frames_are_found_behind_anything() {
        let mut bytes = b"\xfe\xfeDR\xff garbage".to_vec();
        bytes.extend(frame(b"one", 5, 1));
        bytes.extend(&frame(b"torn", 6, 1)[..20]);
        bytes.extend(closing(FrameKind::Finished, 9, 8));
        let found: Vec<_> = frames_anywhere(&bytes)
            .map(|(_, found)| found.first)
            .collect();
        assert_eq!(found, [5, 9]);
    }

    #[test]
    fn names_sort_as_their_numbers_and_nothing_else_is_one() {
        for first in [0, 1, 999, u64::MAX] {
            assert_eq!(first_of_segment(&segment_name(first)), Some(first));
        }
        assert!(segment_name(99) < segment_name(100));
        for name in [
            "",
            "1.journal",
            "00000000000000000001.journal.damaged",
            "lock",
        ] {
            assert_eq!(first_of_segment(name), None, "{name}");
        }
    }
}
