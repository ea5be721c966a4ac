//! The payees that an account has paid, packed: most accounts know a handful, and there are many accounts.

use super::listed::{HEAD, Listed};
use super::{ESTABLISHED_TIMES, SITTING, Spread};
use crate::scoring::money::{Currency, Money};
use crate::scoring::packing::{PackedId, Reader};
use crate::scoring::payment::PayeeType;
use crate::scoring::submission::Submission;
use crate::scoring::time::Timestamp;
use crate::scoring::window::RecordRef;

/// How many amounts of a payee are kept.
pub const PAYEE_AMOUNTS_KEPT: usize = 8;

/// An amount is at most 10^15, which takes 50 bits.
const AMOUNT_BYTES: usize = 7;

// Where in an entry things stand.
const TYPE: usize = HEAD;
const CURRENCY: usize = TYPE + 1;
const REPEATS: usize = CURRENCY + 1;
const AMOUNTS: usize = REPEATS + 1;
const TIMES: usize = AMOUNTS + 1;
const LAST: usize = TIMES + 4;
const AMOUNTS_FROM: usize = LAST + 8;

/// A payee that the account has paid.
#[derive(Debug, Clone, Copy)]
pub struct KnownPayee<'a> {
    /// What kind of number or name its id is.
    pub payee_type: PayeeType,
    /// The number or name.
    pub id: PackedId<'a>,
    /// How often it was paid.
    pub times_paid: u32,
    /// When last.
    pub last_paid: Timestamp,
    /// In which currency last; amounts of another are not comparable and were dropped.
    pub currency: Currency,
    /// How often the payer, asked about a repeat, said that it was meant.
    pub repeats_confirmed: u8,
    amounts: &'a [u8],
}

impl<'a> KnownPayee<'a> {
    /// How much it was paid lately, in minor units, oldest first.
    pub fn amounts_minor(self) -> impl Iterator<Item = i64> + Clone + 'a {
        let (amounts, _) = self.amounts.as_chunks::<AMOUNT_BYTES>();
        amounts.iter().map(amount_of)
    }

    /// How many amounts are kept.
    #[must_use]
    pub const fn amounts(self) -> usize {
        self.amounts.len() / AMOUNT_BYTES
    }

    /// What is usual among the amounts; `None` when there are none.
    #[must_use]
    pub fn spread(self) -> Option<Spread> {
        let mut sorted = [0_i64; PAYEE_AMOUNTS_KEPT];
        for (to, amount) in sorted.iter_mut().zip(self.amounts_minor()) {
            *to = amount;
        }
        let sorted = sorted.get_mut(..self.amounts())?;
        sorted.sort_unstable();
        Spread::of_sorted(sorted.len(), |nth| sorted.get(nth).copied())
    }

    fn read(entry: &'a [u8]) -> Option<Self> {
        let mut rest = Reader::new(entry.get(HEAD..)?);
        let payee_type = PayeeType::ALL.get(usize::from(rest.byte()?)).copied()?;
        let currency = Currency::from_number(rest.byte()?)?;
        let repeats_confirmed = rest.byte()?;
        let amounts = usize::from(rest.byte()?);
        Some(Self {
            payee_type,
            currency,
            repeats_confirmed,
            times_paid: rest.array().map(u32::from_le_bytes)?,
            last_paid: rest
                .array()
                .map(i64::from_le_bytes)
                .map(Timestamp::from_unix_ms)?,
            amounts: rest.bytes(amounts.saturating_mul(AMOUNT_BYTES))?,
            id: rest.id()?,
        })
    }

    /// Those paid once or twice are worth least, however lately: a payee of years outlives a holiday.
    fn worth(self) -> (u32, Timestamp) {
        (self.times_paid.min(ESTABLISHED_TIMES), self.last_paid)
    }
}

const fn amount_of(bytes: &[u8; AMOUNT_BYTES]) -> i64 {
    let [a, b, c, d, e, f, g] = *bytes;
    i64::from_le_bytes([a, b, c, d, e, f, g, 0])
}

const fn amount_bytes(amount_minor: i64) -> [u8; AMOUNT_BYTES] {
    let [a, b, c, d, e, f, g, _] = amount_minor.to_le_bytes();
    [a, b, c, d, e, f, g]
}

/// The payees that the account knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payees {
    pub(super) listed: Listed,
}

impl Payees {
    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = KnownPayee<'_>> {
        self.listed
            .entries()
            .filter_map(|(_, entry)| KnownPayee::read(entry))
    }

    /// What is known of the payee of this payment.
    #[must_use]
    pub fn payee_of(&self, submission: &Submission<'_>) -> Option<KnownPayee<'_>> {
        let payee_type = submission.payment.payee.payee_type;
        let id = &submission.payee_id;
        let found = self
            .tagged(id.tag)
            .find(|(_, known)| known.payee_type == payee_type && known.id == id.id());
        found.map(|(_, known)| known)
    }

    /// Learns that `record` went well; returns how many payees were forgotten for want of room.
    pub(super) fn learn(&mut self, record: RecordRef<'_>, payees_max: u32) -> Learnt {
        let Some((payee_type, id)) = record.packed_payee() else {
            return Learnt::default();
        };
        let (money, time) = (record.money(), record.score_time());
        if let Some(at) = self.place_of(record) {
            self.learn_again(at, money, time);
            return Learnt::default();
        }
        let worth = |entry: &[u8]| KnownPayee::read(entry).map(KnownPayee::worth);
        let forgotten = self.listed.forget_least(payees_max, worth);
        let expected = id
            .packed_bytes()
            .saturating_add(AMOUNTS_FROM + AMOUNT_BYTES);
        self.listed.push(record.payee_tag(), expected, |out| {
            out.extend_from_slice(&[payee_type as u8, money.currency().number(), 0, 1]);
            out.extend_from_slice(&1_u32.to_le_bytes());
            out.extend_from_slice(&time.unix_ms().to_le_bytes());
            out.extend_from_slice(&amount_bytes(money.amount_minor()));
            id.put(out);
        });
        Learnt {
            met: true,
            forgotten,
        }
    }

    /// Takes back that `record` went well; says whether its payee is a stranger again.
    pub(super) fn unlearn(&mut self, record: RecordRef<'_>) -> bool {
        let Some((at, known)) = self
            .place_of(record)
            .and_then(|at| Some((at, self.at(at)?)))
        else {
            return false;
        };
        let times = known.times_paid.saturating_sub(1);
        if times == 0 {
            self.listed.remove(at);
            return true;
        }
        let amount_minor = record.money().amount_minor();
        let amounts: Vec<i64> = known.amounts_minor().collect();
        let taken = amounts.iter().rposition(|known| *known == amount_minor);
        self.listed.put(at, TIMES, &times.to_le_bytes());
        if let Some(taken) = taken {
            self.drop_amounts(at, taken, 1);
        }
        false
    }

    /// Notes that the payer, asked about a repeat of `record`, said that it was meant.
    pub(super) fn confirm_repeat(&mut self, record: RecordRef<'_>) {
        let Some(at) = self.place_of(record) else {
            return;
        };
        if let Some(repeats) = self
            .listed
            .entry_mut(at)
            .and_then(|entry| entry.get_mut(REPEATS))
        {
            *repeats = repeats.saturating_add(1);
        }
    }

    fn learn_again(&mut self, at: usize, money: Money, time: Timestamp) {
        let Some(known) = self.at(at) else { return };
        let (amounts, last_paid) = (known.amounts(), known.last_paid);
        let (times, changed) = (known.times_paid, known.currency != money.currency());
        if changed {
            self.listed.put(at, CURRENCY, &[money.currency().number()]);
            self.drop_amounts(at, 0, amounts);
        }
        // One sitting, one vote: the parts of one bill are not what is usual.
        if last_paid.plus(SITTING) <= time || changed || amounts == 0 {
            self.learn_amount(at, money.amount_minor());
        }
        self.listed
            .put(at, TIMES, &times.saturating_add(1).to_le_bytes());
        self.listed
            .put(at, LAST, &last_paid.max(time).unix_ms().to_le_bytes());
    }

    fn learn_amount(&mut self, at: usize, amount_minor: i64) {
        let Some(amounts) = self.at(at).map(KnownPayee::amounts) else {
            return;
        };
        if amounts < PAYEE_AMOUNTS_KEPT {
            let end = amounts_range(amounts, 0);
            self.listed.splice(at, end, &amount_bytes(amount_minor));
            self.put_amounts(at, amounts.saturating_add(1));
        } else if let Some(kept) = self
            .listed
            .entry_mut(at)
            .and_then(|entry| entry.get_mut(amounts_range(0, PAYEE_AMOUNTS_KEPT)))
        {
            // The oldest makes room for the newest, in place.
            kept.rotate_left(AMOUNT_BYTES);
            if let Some(last) = kept.last_chunk_mut() {
                *last = amount_bytes(amount_minor);
            }
        }
    }

    fn drop_amounts(&mut self, at: usize, from: usize, count: usize) {
        let Some(amounts) = self.at(at).map(KnownPayee::amounts) else {
            return;
        };
        self.listed.splice(at, amounts_range(from, count), &[]);
        self.put_amounts(at, amounts.saturating_sub(count));
    }

    fn put_amounts(&mut self, at: usize, amounts: usize) {
        let [low, ..] = amounts.to_le_bytes();
        self.listed.put(at, AMOUNTS, &[low]);
    }

    fn at(&self, at: usize) -> Option<KnownPayee<'_>> {
        KnownPayee::read(self.listed.entry(at)?)
    }

    fn place_of(&self, record: RecordRef<'_>) -> Option<usize> {
        let payee = record.packed_payee()?;
        let found = self
            .tagged(record.payee_tag())
            .find(|(_, known)| (known.payee_type, known.id) == payee);
        found.map(|(at, _)| at)
    }

    fn tagged(&self, tag: u16) -> impl Iterator<Item = (usize, KnownPayee<'_>)> {
        self.listed
            .tagged(tag)
            .filter_map(|(at, entry)| Some((at, KnownPayee::read(entry)?)))
    }
}

/// What came of learning from a payment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learnt {
    /// Whether the payee was not known.
    pub(super) met: bool,
    /// How many payees were forgotten for want of room.
    pub(super) forgotten: u32,
}

/// Where in an entry so many amounts from the `from`th on stand.
const fn amounts_range(from: usize, count: usize) -> std::ops::Range<usize> {
    let start = AMOUNTS_FROM.saturating_add(from.saturating_mul(AMOUNT_BYTES));
    start..start.saturating_add(count.saturating_mul(AMOUNT_BYTES))
}
