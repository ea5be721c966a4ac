//! What is known of a payee as bytes, and back.

use super::distinct::{Distinct, RecentAccounts};
use super::known_reports::KnownReports;
use super::level::{AmountLevel, PriceLevel};
use super::paid::Paid;
use super::reports::{FadingReports, read_counts};
use super::{PayeeMemory, Payer};
use crate::scoring::image::{
    Image, ImageFault, QUANTITY, number, optional, put_optional, put_time, time,
};
use crate::scoring::packing::{Reader, put_float};

// What stands before what there may be of reports and payments. There were no payments in those first written.
const HAS_KNOWN_REPORTS: u8 = 1;
const HAS_PAID: u8 = 1 << 1;

impl PayeeMemory {
    /// Appends an [image](crate::scoring::image) of the memory.
    pub fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            ever,
            recent,
            first_seen,
            payers_usual,
            amounts,
            prices,
            reports,
            paid,
            last_told,
        } = self;
        ever.put_image(out);
        recent.put_image(out);
        put_optional(out, *first_seen, put_time);
        put_float(out, *payers_usual);
        amounts.put_image(out);
        prices.put_image(out);
        reports.put_counts(out);
        put_optional(out, reports.last_reporter(), put_payer);
        let known_reports = reports.known().filter(|known| !known.is_none());
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.push(
            flag(known_reports.is_some(), HAS_KNOWN_REPORTS) | flag(!paid.is_none(), HAS_PAID),
        );
        if let Some(known_reports) = known_reports {
            KnownReports::put_image(out, known_reports);
        }
        if !paid.is_none() {
            paid.put_image(out);
        }
        put_time(out, *last_told);
    }

    /// The memory of an image.
    ///
    /// # Errors
    /// [`ImageFault`] where the bytes are none.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageFault> {
        let mut image = Image::new(bytes);
        let mut memory = Self {
            ever: image.part("payers", Distinct::read_image)?,
            recent: image.part("recent payers", RecentAccounts::read_image)?,
            first_seen: image.part("first payment", |rest| optional(rest, time))?,
            payers_usual: image.part("usual number of payers", |rest| number(rest, QUANTITY))?,
            amounts: image.part("usual amounts", AmountLevel::read_image)?,
            prices: image.part("price level", PriceLevel::read_image)?,
            ..Self::default()
        };
        let counts = [
            image.part("reports", read_counts)?,
            image.part("reports of the last days", read_counts)?,
        ];
        let last_reporter = image.part("last reporter", |rest| optional(rest, payer))?;
        let flags = image.part("flags of reports", |rest| {
            let flags = rest.byte()?;
            (flags & !(HAS_KNOWN_REPORTS | HAS_PAID) == 0).then_some(flags)
        })?;
        let known_reports = match flags & HAS_KNOWN_REPORTS {
            0 => KnownReports::default(),
            _ => image.part("known reports", KnownReports::read_image)?,
        };
        memory.reports = image.part("times of reports", |_| {
            FadingReports::of_image(counts, last_reporter, known_reports)
        })?;
        if flags & HAS_PAID != 0 {
            memory.paid = image.part("payments", Paid::read_image)?;
        }
        memory.last_told = image.part("last told", time)?;
        image.end().map(|()| memory)
    }
}

fn put_payer(out: &mut Vec<u8>, payer: Payer) {
    out.extend_from_slice(&payer.hash.to_le_bytes());
}

fn payer(rest: &mut Reader<'_>) -> Option<Payer> {
    let hash = rest.array().map(u64::from_le_bytes)?;
    Some(Payer { hash })
}
