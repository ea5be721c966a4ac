//! The payees that an account has paid.

use super::amounts::{self, Amounts, Place};
use super::lateness::Lateness;
use super::listed::{Kind, Listed};
use super::log_amount::LogAmount;
use super::repeats::Repeats;
use super::uses::{USES_END, Uses};
use super::{ESTABLISHED_TIMES, SITTING, Spread};
use crate::scoring::money::{Currency, Money};
use crate::scoring::packing::{PackedId, Reader};
use crate::scoring::payment::PayeeType;
use crate::scoring::submission::Submission;
use crate::scoring::time::Timestamp;
use crate::scoring::window::RecordRef;

/// How many amounts of a payee are kept.
pub const PAYEE_AMOUNTS_KEPT: usize = 8;

// Where in an entry things stand; the amounts follow the id.
const TYPE: usize = USES_END;
const CURRENCY: usize = TYPE + 1;
const REPEATS: usize = CURRENCY + 1;
const ID: usize = REPEATS + 1;

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
    amounts: Amounts<'a>,
}

impl<'a> KnownPayee<'a> {
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
        Some(Self {
            payee_type: PayeeType::ALL.get(usize::from(payee_type)).copied()?,
            id,
            times_paid: times,
            last_paid: last,
            currency: Currency::from_number(currency)?,
            repeats: Repeats::from_byte(repeats),
            amounts: Amounts::of(rest.get(id.packed_bytes()..)?),
        })
    }

    /// Checks that an entry may have been laid down under this tag.
    pub(super) fn check(entry: &'a [u8], tag: u16) -> Option<()> {
        let known = Self::read(entry)?;
        let amounts = entry.get(known.amounts_place(0).offset..)?;
        (known.id.is_sound()
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

    const fn amounts_place(self, at: usize) -> Place {
        Place {
            at,
            offset: ID.saturating_add(self.id.packed_bytes()),
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
    uses.less_one().put(listed, at);
    unlearn_repeat(listed, record, lateness);
    amounts::unlearn(listed, place, record.money().amount_minor());
    false
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
