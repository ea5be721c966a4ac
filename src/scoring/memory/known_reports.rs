//! The last payments reported against a payee. When the account's window no longer holds a payment, this tells
//! whether the same report came before, or which other one a report replaces.

use super::Payer;
use crate::scoring::hash::hash_of;
use crate::scoring::outcome::PayeeRisk;
use crate::scoring::packing::Reader;
use crate::scoring::payment::PaymentId;

/// How many are remembered: as many as fit into 64 bytes, which few payees need.
const KEPT: usize = 32;

/// How many bits of a mark say what is known of its payment.
const SAYS_BITS: u32 = 2;
const SAYS: u16 = (1 << SAYS_BITS) - 1;

/// What is known of a payment that was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// A fraud, reported right after another one by the same account: the two were counted once.
    MoreFraud,
    /// It went well.
    Good,
    /// It was refunded, or a mistake.
    Weak,
    /// A fraud.
    Strong,
}

impl Known {
    const ALL: [Self; 1 << SAYS_BITS] = [Self::MoreFraud, Self::Good, Self::Weak, Self::Strong];

    /// Whether it counts against the payee.
    pub(super) const fn is_bad(&self) -> bool {
        !matches!(self, Self::Good)
    }

    /// What it says about the payee.
    pub(super) const fn says(self) -> PayeeRisk {
        match self {
            Self::Good => PayeeRisk::Good,
            Self::Weak => PayeeRisk::Weak,
            Self::Strong | Self::MoreFraud => PayeeRisk::Strong,
        }
    }

    /// What it was counted as.
    pub(super) const fn counted(self) -> PayeeRisk {
        match self {
            Self::Good | Self::MoreFraud => PayeeRisk::Good,
            Self::Weak => PayeeRisk::Weak,
            Self::Strong => PayeeRisk::Strong,
        }
    }
}

/// Identifies a payment, but for one in 16,384 others that has the same mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marked(u16);

impl Marked {
    pub(super) fn of(payer: Payer, payment_id: &PaymentId) -> Self {
        let hash = payer
            .hash
            .rotate_left(1)
            .wrapping_add(hash_of(payment_id.as_str().as_bytes()));
        let [low, high, ..] = hash.wrapping_shl(SAYS_BITS).to_le_bytes();
        // 0 stands for no payment.
        Self(u16::from_le_bytes([low, high]).max(1 << SAYS_BITS))
    }
}

/// The last payments that were reported, and what is known of each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct KnownReports {
    /// For each payment its [mark](Marked), with what is known of it in the lowest bits; 0 for none.
    marks: [u16; KEPT],
    next: u8,
}

impl KnownReports {
    /// Whether no payment was ever noted.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Images used to have eight marks of 64 bits in these bytes. The lowest 16 bits of each are the mark as it
    /// is now; the others match no payment but by chance.
    pub(super) fn put_image(out: &mut Vec<u8>, known_reports: &Self) {
        let Self { marks, next } = known_reports;
        out.push(*next);
        for mark in marks {
            out.extend_from_slice(&mark.to_le_bytes());
        }
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let next = rest.byte()?;
        let mut marks = [0; KEPT];
        for mark in &mut marks {
            *mark = rest.array().map(u16::from_le_bytes)?;
        }
        Some(Self { marks, next })
    }

    /// What is known of a payment.
    pub(super) fn of(&self, marked: Marked) -> Option<Known> {
        let mark = self.marks.iter().find(|mark| is_of(**mark, marked))?;
        let says = usize::from(mark & SAYS);
        Known::ALL.get(says).copied()
    }

    /// Replaces what is known of a payment; `None` forgets it.
    pub(super) fn set(&mut self, marked: Marked, known: Option<Known>) {
        let mark = known.map_or(0, |known| marked.0 | known as u16);
        if let Some(place) = self.marks.iter_mut().find(|mark| is_of(**mark, marked)) {
            *place = mark;
        } else if mark != 0 {
            self.add(mark);
        }
    }

    /// Adds a mark, in place of the oldest where there is no room.
    fn add(&mut self, mark: u16) {
        let next = usize::from(self.next) % KEPT;
        if let Some(place) = self.marks.get_mut(next) {
            *place = mark;
        }
        self.next = self.next.wrapping_add(1);
    }
}

const fn is_of(mark: u16, marked: Marked) -> bool {
    mark >> SAYS_BITS == marked.0 >> SAYS_BITS
}
