//! Snapshots and their blocks as bytes.
//!
//! ```text
//! snapshot  magic 8 · version 4 · journal from 8 · checksum 4
//! block     magic 4 · payload length 4 · place 4 · count 4 · checksum 4 · payload
//! ```
//!
//! Numbers are little-endian. A checksum (CRC-32C) covers all of its header before it, and the payload; a
//! block's begins with that of the snapshot's header, so that no block of another is taken for one of its own.
//! The last block closes the snapshot, and nothing follows it.

use super::super::codec::{Decoded, Decoder};
use super::super::header::{FileKind, HeaderFault};

/// The version of the format that is written, and the only one so far that is read. The images in it are
/// part of it.
pub const SNAPSHOT_VERSION: u32 = 1;

const SNAPSHOT: FileKind<1> = FileKind {
    magic: *b"\xfeDCHKS\xff\n",
    version: SNAPSHOT_VERSION,
};

/// How many bytes a snapshot's header has.
pub(super) const HEADER_BYTES: usize = FileKind::<1>::HEADER_BYTES;

/// How many bytes a block's header has.
pub(super) const BLOCK_HEADER_BYTES: usize = 20;

/// From how many bytes on a block takes no more entries.
pub(super) const PAYLOAD_BYTES_FULL: usize = 1 << 17;

/// The most bytes of a block that is read, and so of one that is written: what makes it full and one more
/// entry, of which an account with all that it may have takes about a tenth.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 26;

const CHECKSUM_BYTES: usize = 4;

/// What a snapshot says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) journal_from: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        SNAPSHOT.header([self.journal_from])
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let [journal_from] = SNAPSHOT.read(bytes)?;
        Ok(Self { journal_from })
    }

    /// What the checksums of its blocks begin with: its own. That of all of it would be the same for
    /// every header.
    pub(super) fn seed(self) -> u32 {
        SNAPSHOT.checksum([self.journal_from])
    }
}

/// What kind of block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// It holds entries.
    Entries,
    /// It ends the snapshot.
    Closing,
}

const KINDS: [(BlockKind, [u8; 4]); 2] = [
    (BlockKind::Entries, *b"\xfeDE\xff"),
    (BlockKind::Closing, *b"\xfeDZ\xff"),
];

/// What a block says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) kind: BlockKind,
    /// Which block of the snapshot it is, counted from 0.
    pub(super) place: u32,
    /// How many entries it holds.
    pub(super) count: u32,
    /// How many bytes they have.
    pub(super) length: usize,
    checksum: u32,
}

impl BlockHeader {
    /// The header that stands here; `None` if none does.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header = Self::fields(bytes).ok()??;
        (header.length <= PAYLOAD_BYTES_MAX).then_some(header)
    }

    fn fields(bytes: &[u8]) -> Decoded<Option<Self>> {
        let mut decoder = Decoder::new(bytes);
        let magic: [u8; 4] = decoder.array("magic")?;
        let Some((kind, _)) = KINDS.into_iter().find(|(_, known)| *known == magic) else {
            return Ok(None);
        };
        Ok(Some(Self {
            kind,
            length: u32::from_le_bytes(decoder.array("length")?) as usize,
            place: u32::from_le_bytes(decoder.array("place")?),
            count: u32::from_le_bytes(decoder.array("count")?),
            checksum: u32::from_le_bytes(decoder.array("checksum")?),
        }))
    }

    /// Whether this is what was written: header and payload of a snapshot of this seed.
    pub(super) fn holds(&self, header: &[u8], payload: &[u8], seed: u32) -> bool {
        let covered = header.get(..BLOCK_HEADER_BYTES - CHECKSUM_BYTES);
        let found = covered.map(|header| checksum(header, payload, seed));
        found == Some(self.checksum) && payload.len() == self.length
    }
}

/// Empties `block` but for room for its header.
pub(super) fn begin(block: &mut Vec<u8>) {
    block.clear();
    block.resize(BLOCK_HEADER_BYTES, 0);
}

/// Makes a block of what stands in `block` behind room for its header.
pub(super) fn seal(block: &mut [u8], kind: BlockKind, place: u32, count: u32, seed: u32) {
    let Some((header, payload)) = block.split_at_mut_checked(BLOCK_HEADER_BYTES) else {
        return;
    };
    let magic = KINDS.into_iter().find(|(known, _)| *known == kind);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut fields = Vec::with_capacity(BLOCK_HEADER_BYTES);
    fields.extend_from_slice(&magic.map_or([0; 4], |(_, magic)| magic));
    fields.extend_from_slice(&length.to_le_bytes());
    fields.extend_from_slice(&place.to_le_bytes());
    fields.extend_from_slice(&count.to_le_bytes());
    let checksum = checksum(&fields, payload, seed);
    fields.extend_from_slice(&checksum.to_le_bytes());
    header.copy_from_slice(&fields);
}

fn checksum(header: &[u8], payload: &[u8], seed: u32) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, header), payload)
}
