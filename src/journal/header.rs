//! The beginning of each file in a data directory: what it is, in which version, and a few fields.
//!
//! ```text
//! magic 8 · version 4 · fields, 8 each · checksum 4
//! ```
//!
//! In every version alike, so that each can tell the others.

use super::codec::{Decoded, Decoder};

const CHECKSUM_BYTES: usize = 4;

/// Why a header says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Unreadable,
    Version(u32),
}

/// What files of one kind begin with.
#[derive(Debug)]
pub(super) struct FileKind<const FIELDS: usize> {
    pub(super) magic: [u8; 8],
    /// The version that is written, and the only one that is read.
    pub(super) version: u32,
}

impl<const FIELDS: usize> FileKind<FIELDS> {
    /// How many bytes a header has.
    pub(super) const HEADER_BYTES: usize = Self::COVERED_BYTES + CHECKSUM_BYTES;
    /// How many of them the checksum covers.
    const COVERED_BYTES: usize = 8 + 4 + 8 * FIELDS;

    /// The header that says this.
    pub(super) fn header(&self, fields: [u64; FIELDS]) -> Vec<u8> {
        let mut bytes = self.covered(fields);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The checksum of the header that says this.
    pub(super) fn checksum(&self, fields: [u64; FIELDS]) -> u32 {
        crc32c::crc32c(&self.covered(fields))
    }

    fn covered(&self, fields: [u64; FIELDS]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::HEADER_BYTES);
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
        bytes
    }

    /// What the header at the beginning of `bytes` says.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<[u64; FIELDS], HeaderFault> {
        let (version, fields, checksum) =
            Self::parts(bytes).map_err(|_| HeaderFault::Unreadable)?;
        let covered = bytes.get(..Self::COVERED_BYTES);
        if !bytes.starts_with(&self.magic) || covered.map(crc32c::crc32c) != Some(checksum) {
            return Err(HeaderFault::Unreadable);
        }
        if version != self.version {
            return Err(HeaderFault::Version(version));
        }
        Ok(fields)
    }

    fn parts(bytes: &[u8]) -> Decoded<(u32, [u64; FIELDS], u32)> {
        let mut decoder = Decoder::new(bytes);
        decoder.array::<8>("magic")?;
        let version = u32::from_le_bytes(decoder.array("version")?);
        let mut fields = [0; FIELDS];
        for field in &mut fields {
            *field = u64::from_le_bytes(decoder.array("field")?);
        }
        let checksum = u32::from_le_bytes(decoder.array("checksum")?);
        Ok((version, fields, checksum))
    }
}
