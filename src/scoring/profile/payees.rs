//! The payees that an account has paid.

use super::amounts::{self, Amounts, Place};
use super::lateness::Lateness;
use super::listed::{Kind, Listed};
use super::log_amount::LogAmount;
use super::repeats::Repeats;
use super::uses::{USES_END, Uses};
use super::{ESTABLISHED_TIMES, SITTING, Spread};
use crate::scoring::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::scoring::packing::{PackedId, Reader};
use crate::scoring::payment::PayeeType;
use crate::scoring::submission::Submission;
use crate::scoring::time::Timestamp;
use crate::scoring::window::RecordRef;

/// How many amounts of a payee are kept.
pub const PAYEE_AMOUNTS_KEPT: usize = 8;

// Where in an entry things stand; the amounts follow the id, or the sum that was meant.
const TYPE: usize = USES_END;
const CURRENCY: usize = TYPE + 1;
const REPEATS: usize = CURRENCY + 1;
const ID: usize = REPEATS + 1;

/// Stands with the type where a sum that was meant follows the id: few payees have one.
const HAS_MEANT: u8 = 1 << 7;
const MEANT_BYTES: usize = size_of::<i64>();

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
    /// What is known of the same payment again within minutes.
    pub repeats: Repeats,
    /// The last sum that looked like a slip and was meant, in minor units; 0 for none, `None` where there is no
    /// room for it.
    meant_minor: Option<i64>,
    amounts: Amounts<'a>,
}

impl<'a> KnownPayee<'a> {
    /// Whether the payer, asked about this sum as it looked like a slip, said that it was meant. It is remembered
    /// however many others are paid.
    #[must_use]
    pub fn was_meant(self, money: Money) -> bool {
        self.currency == money.currency() && self.meant_minor == Some(money.amount_minor())
    }

    /// How much it was paid lately, in minor units, smallest first.
    pub fn amounts_minor(self) -> impl Iterator<Item = i64> + Clone + 'a {
        self.amounts.minor()
    }

    /// Their logarithms, smallest first.
    pub fn log_amounts(self) -> impl Iterator<Item = LogAmount> + 'a {
        self.amounts.logs()
    }

    /// How many amounts are kept.
    #[must_use]
    pub const fn amounts(self) -> usize {
        self.amounts.count()
    }

    /// Whether one of its last two amounts was this.
    #[must_use]
    pub fn was_paid_lately(self, money: Money) -> bool {
        self.currency == money.currency() && self.amounts.newest_hold(2, money.amount_minor())
    }

    /// What is usual among the amounts; `None` when there are none.
    #[must_use]
    pub fn spread(self) -> Option<Spread> {
        self.amounts.spread()
    }

    fn read(entry: &'a [u8]) -> Option<Self> {
        let Uses { times, last } = Uses::read(entry)?;
        let (&[payee_type, currency, repeats], rest) = entry.get(TYPE..)?.split_first_chunk()?;
        let id = Reader::new(rest).id()?;
        let mut rest = rest.get(id.packed_bytes()..)?;
        let mut meant_minor = None;
        if payee_type & HAS_MEANT != 0 {
            let (meant, amounts) = rest.split_first_chunk()?;
            meant_minor = Some(i64::from_le_bytes(*meant));
            rest = amounts;
        }
        let payee_type = usize::from(payee_type & !HAS_MEANT);
        Some(Self {
            payee_type: PayeeType::ALL.get(payee_type).copied()?,
            id,
            times_paid: times,
            last_paid: last,
            currency: Currency::from_number(currency)?,
            repeats: Repeats::from_byte(repeats),
            meant_minor,
            amounts: Amounts::of(rest),
        })
    }

    /// Checks that an entry may have been laid down under this tag.
    pub(super) fn check(entry: &'a [u8], tag: u16) -> Option<()> {
        let known = Self::read(entry)?;
        let amounts = entry.get(known.amounts_place(0).offset..)?;
        let meant_minor = known.meant_minor.unwrap_or_default();
        (known.id.is_sound()
            && (0..=AMOUNT_MINOR_MAX).contains(&meant_minor)
            && known.id.tag() == tag
            && Amounts::are_sound(amounts, PAYEE_AMOUNTS_KEPT))
        .then_some(())
    }

    const fn uses(self) -> Uses {
        Uses {
            times: self.times_paid,
            last: self.last_paid,
        }
    }

    const fn meant_offset(self) -> usize {
        ID.saturating_add(self.id.packed_bytes())
    }

    const fn amounts_place(self, at: usize) -> Place {
        let meant_bytes = match self.meant_minor {
            Some(_) => MEANT_BYTES,
            None => 0,
        };
        Place {
            at,
            offset: self.meant_offset().saturating_add(meant_bytes),
        }
    }

    /// Those paid once or twice are worth least, however lately: a payee of years outlives a holiday.
    fn worth(self) -> (u32, Timestamp) {
        (self.times_paid.min(ESTABLISHED_TIMES), self.last_paid)
    }
}

/// The payees that the account knows.
#[derive(Debug, Clone, Copy)]
pub struct Payees<'a>(pub(super) &'a Listed);

impl<'a> Payees<'a> {
    /// All of them, in no particular order.
    pub fn iter(self) -> impl Iterator<Item = KnownPayee<'a>> {
        self.0
            .of_kind(Kind::Payee)
            .filter_map(|(_, entry)| KnownPayee::read(entry))
    }

    /// What is known of the payee of this payment.
    pub(super) fn payee_of(self, submission: &Submission<'_>) -> Option<KnownPayee<'a>> {
        let id = &submission.payee_id;
        let payee = (submission.payment.payee.payee_type, id.id());
        find(self.0, id.tag, payee).map(|(_, known)| known)
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

/// Learns that `record` went well.
pub(super) fn learn(listed: &mut Listed, record: RecordRef<'_>, payees_max: u32) -> Learnt {
    let Some((payee_type, id)) = record.packed_payee() else {
        return Learnt::default();
    };
    let (tag, money, time) = (record.payee_tag(), record.money(), record.score_time());
    if let Some((at, known)) = find(listed, tag, (payee_type, id)) {
        let (place, uses) = (known.amounts_place(at), known.uses());
        let changed = known.currency != money.currency();
        // One sitting, one vote: the parts of one bill are not what is usual.
        let votes = uses.last.plus(SITTING) <= time || changed || known.amounts() == 0;
        if changed {
            listed.put(at, CURRENCY, [money.currency().number()]);
            listed.truncate(at, place.offset);
            forget_meant(listed, record);
        }
        if votes {
            amounts::learn(listed, place, PAYEE_AMOUNTS_KEPT, money.amount_minor());
        }
        uses.and_at(time).put(listed, at);
        return Learnt::default();
    }
    let worth = |entry: &[u8]| KnownPayee::read(entry).map(KnownPayee::worth);
    let forgotten = listed.forget_least(Kind::Payee, payees_max, worth);
    let amount = amounts::single(money.amount_minor());
    let expected = ID
        .saturating_add(id.packed_bytes())
        .saturating_add(amount.len());
    listed.push(Kind::Payee, tag, expected, |out| {
        out.extend_from_slice(&Uses::once(time).to_bytes());
        let repeats = Repeats::NONE.byte();
        out.extend_from_slice(&[payee_type as u8, money.currency().number(), repeats]);
        id.put(out);
        out.extend_from_slice(&amount);
    });
    Learnt {
        met: true,
        forgotten,
    }
}

/// Takes back that `record` went well; says whether its payee is a stranger again.
pub(super) fn unlearn(listed: &mut Listed, record: RecordRef<'_>, lateness: Lateness) -> bool {
    let Some((at, known)) = payee_paid_by(listed, record) else {
        return false;
    };
    if known.times_paid <= 1 {
        listed.remove(at);
        return true;
    }
    let (place, uses) = (known.amounts_place(at), known.uses());
    let was_meant = known.was_meant(record.money());
    uses.less_one().put(listed, at);
    unlearn_repeat(listed, record, lateness);
    if was_meant {
        forget_meant(listed, record);
    }
    amounts::unlearn(listed, place, record.money().amount_minor());
    false
}

/// Learns that what `record` paid was meant, though it looked like a slip.
pub(super) fn learn_meant(listed: &mut Listed, record: RecordRef<'_>) {
    put_meant(listed, record, record.money().amount_minor());
}

fn forget_meant(listed: &mut Listed, record: RecordRef<'_>) {
    put_meant(listed, record, 0);
}

fn put_meant(listed: &mut Listed, record: RecordRef<'_>, minor: i64) {
    let Some((at, known)) = payee_paid_by(listed, record) else {
        return;
    };
    // What is known of it lies where it is written.
    let (offset, has_room, payee_type) = (
        known.meant_offset(),
        known.meant_minor.is_some(),
        known.payee_type as u8,
    );
    if has_room {
        listed.put(at, offset, minor.to_le_bytes());
    } else if minor != 0 {
        listed.put(at, TYPE, [payee_type | HAS_MEANT]);
        listed.insert(at, offset, minor.to_le_bytes());
    }
}

/// Learns of repeats from `record`, which was held against another payment and went well.
pub(super) fn learn_repeat(listed: &mut Listed, record: RecordRef<'_>, lateness: Lateness) {
    let Some((at, known)) = payee_paid_by(listed, record) else {
        return;
    };
    let mut repeats = known.repeats;
    if record.is_repeat_that_was_meant(lateness) {
        repeats = repeats.and_confirmed();
    }
    if record.is_first_repeat_of_its_day(lateness) {
        repeats = repeats.and_day();
    }
    listed.put(at, REPEATS, [repeats.byte()]);
}

/// Takes back what was learnt of repeats from `record`.
pub(super) fn unlearn_repeat(listed: &mut Listed, record: RecordRef<'_>, lateness: Lateness) {
    if !record.repeats_what_was_paid(lateness) {
        return;
    }
    let Some((at, known)) = payee_paid_by(listed, record) else {
        return;
    };
    let mut repeats = known.repeats.without_days();
    if record.was_confirmed() {
        repeats = repeats.less_confirmed();
    }
    listed.put(at, REPEATS, [repeats.byte()]);
}

fn payee_paid_by<'a>(listed: &'a Listed, record: RecordRef<'_>) -> Option<(usize, KnownPayee<'a>)> {
    find(listed, record.payee_tag(), record.packed_payee()?)
}

fn find<'a>(
    listed: &'a Listed,
    tag: u16,
    payee: (PayeeType, PackedId<'_>),
) -> Option<(usize, KnownPayee<'a>)> {
    listed.find(Kind::Payee, tag, |entry| {
        KnownPayee::read(entry).filter(|known| (known.payee_type, known.id) == payee)
    })
}
