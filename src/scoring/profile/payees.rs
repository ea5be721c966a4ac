//! The payees that an account has paid.

use super::amounts::{self, Amounts, Place};
use super::entry_list::{EntryList, Kind};
use super::lateness::Lateness;
use super::log_amount::LogAmount;
use super::repeats::Repeats;
use super::uses::{USES_END, Uses};
use super::{ESTABLISHED_TIMES, SITTING, Spread};
use crate::scoring::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::scoring::packing::{PackedId, Reader};
use crate::scoring::payment::PayeeType;
use crate::scoring::submission::Submission;
use crate::scoring::time::{Span, Timestamp};
use crate::scoring::window::RecordRef;

/// How many amounts of a payee are kept.
pub const PAYEE_AMOUNTS_KEPT: usize = 8;

// The offsets in an entry: header, uses, type with flags, currency, repeats, id. Behind the id comes the sum that was
// meant, if a flag says so, and then the amounts.
const TYPE: usize = USES_END;
const CURRENCY: usize = TYPE + 1;
const REPEATS: usize = CURRENCY + 1;
const ID: usize = REPEATS + 1;

/// A flag beside the type: a sum that was meant follows the id. Few payees have one, so others take no room for it.
const HAS_MEANT: u8 = 1 << 7;
const MEANT_BYTES: usize = size_of::<i64>();

/// Another one: orders of this payee come back.
const ORDERS_COME_BACK: u8 = 1 << 6;

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
    /// In which currency last. What was known of sums in another was dropped, as they cannot be compared.
    pub currency: Currency,
    /// What is known of the same payment again within minutes.
    pub repeats: Repeats,
    /// Whether the same order was paid there again, and that was meant: the ids of its orders tell none apart.
    pub orders_come_back: bool,
    /// The last sum that looked like a slip and was meant, in minor units. `Some(0)` says that there is none any more,
    /// `None` that there never was one: the entry has no room for it.
    meant_minor: Option<i64>,
    /// The last amounts, up to `PAYEE_AMOUNTS_KEPT`.
    amounts: Amounts<'a>,
}

impl<'a> KnownPayee<'a> {
    /// Whether this is the last sum that looked like a slip and of which the payer, asked about it, said that it was
    /// meant. It is remembered however many other sums are paid.
    #[must_use]
    pub fn was_meant(self, money: Money) -> bool {
        self.currency == money.currency() && self.meant_minor == Some(money.amount_minor())
    }

    /// The amounts that it was paid lately, in minor units, smallest first.
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

    /// Whether this is one of the last two amounts.
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
        let (&[flags, currency, repeats], rest) = entry.get(TYPE..)?.split_first_chunk()?;
        let id = Reader::new(rest).id()?;
        let mut rest = rest.get(id.packed_bytes()..)?;
        let mut meant_minor = None;
        if flags & HAS_MEANT != 0 {
            let (meant, amounts) = rest.split_first_chunk()?;
            meant_minor = Some(i64::from_le_bytes(*meant));
            rest = amounts;
        }
        let payee_type = usize::from(flags & !(HAS_MEANT | ORDERS_COME_BACK));
        Some(Self {
            payee_type: PayeeType::ALL.get(payee_type).copied()?,
            id,
            times_paid: times,
            last_paid: last,
            currency: Currency::from_number(currency)?,
            repeats: Repeats::from_byte(repeats),
            orders_come_back: flags & ORDERS_COME_BACK != 0,
            meant_minor,
            amounts: Amounts::of(rest),
        })
    }

    /// Checks, when an image is read, that these bytes are an entry of this tag.
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

    /// The type, with the flags beside it.
    fn flags(self) -> u8 {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        self.payee_type as u8
            | flag(self.meant_minor.is_some(), HAS_MEANT)
            | flag(self.orders_come_back, ORDERS_COME_BACK)
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

    /// Those paid once or twice are worth least, however lately: a payee of years outlives a holiday. Of those paid as
    /// often, people outlive shops: nobody types a shop's number, so there is no typing error to be told from it.
    fn worth(self) -> (u32, Timestamp) {
        let outlives = match self.payee_type {
            PayeeType::Merchant => Span::ZERO,
            PayeeType::Phone | PayeeType::Wallet | PayeeType::BankAccount => PEOPLE_OUTLIVE_SHOPS,
        };
        let times = self.times_paid.min(ESTABLISHED_TIMES);
        (times, self.last_paid.plus(outlives))
    }
}

/// By how much payees that are no merchants are remembered longer. No more, or they would leave no room in which a
/// new shop could be met a second time.
const PEOPLE_OUTLIVE_SHOPS: Span = Span::from_days(14);

/// The payees that the account knows.
#[derive(Debug, Clone, Copy)]
pub struct Payees<'a>(pub(super) &'a EntryList);

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

/// What learning from a payment changed in the list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learnt {
    /// Whether the payee was not known before.
    pub(super) met: bool,
    /// How many payees were forgotten for want of room.
    pub(super) forgotten: u32,
}

/// Learns that `record` went well.
pub(super) fn learn(entries: &mut EntryList, record: RecordRef<'_>, payees_max: u32) -> Learnt {
    let Some((payee_type, id)) = record.packed_payee() else {
        return Learnt::default();
    };
    let (tag, money, time) = (record.payee_tag(), record.money(), record.score_time());
    if let Some((at, known)) = find(entries, tag, (payee_type, id)) {
        let (place, uses) = (known.amounts_place(at), known.uses());
        let is_other_currency = known.currency != money.currency();
        // Of one sitting only the first amount is learnt: the parts of one bill are not what is usual.
        let is_new_sitting = uses.last.plus(SITTING) <= time;
        let learns_amount = is_new_sitting || is_other_currency || known.amounts() == 0;
        if is_other_currency {
            entries.put(at, CURRENCY, [money.currency().number()]);
            entries.truncate(at, place.offset);
            forget_meant(entries, record);
        }
        if learns_amount {
            amounts::learn(entries, place, PAYEE_AMOUNTS_KEPT, money.amount_minor());
        }
        uses.and_at(time).put(entries, at);
        return Learnt::default();
    }
    let worth = |entry: &[u8]| KnownPayee::read(entry).map(KnownPayee::worth);
    let forgotten = entries.forget_least(Kind::Payee, payees_max, worth);
    let amount = amounts::single(money.amount_minor());
    let expected = ID
        .saturating_add(id.packed_bytes())
        .saturating_add(amount.len());
    entries.push(Kind::Payee, tag, expected, |out| {
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
pub(super) fn unlearn(entries: &mut EntryList, record: RecordRef<'_>, lateness: Lateness) -> bool {
    let Some((at, known)) = payee_paid_by(entries, record) else {
        return false;
    };
    if known.times_paid <= 1 {
        entries.remove(at);
        return true;
    }
    let (place, uses) = (known.amounts_place(at), known.uses());
    let was_meant = known.was_meant(record.money());
    uses.less_one().put(entries, at);
    unlearn_repeat(entries, record, lateness);
    if was_meant {
        forget_meant(entries, record);
    }
    amounts::unlearn(entries, place, record.money().amount_minor());
    false
}

/// Learns that the sum of `record`, which looked like a slip, was meant.
pub(super) fn learn_meant(entries: &mut EntryList, record: RecordRef<'_>) {
    put_meant(entries, record, record.money().amount_minor());
}

fn forget_meant(entries: &mut EntryList, record: RecordRef<'_>) {
    put_meant(entries, record, 0);
}

/// Writes the sum that was meant, in minor units, with the payee; 0 for none.
fn put_meant(entries: &mut EntryList, record: RecordRef<'_>, minor: i64) {
    let Some((at, known)) = payee_paid_by(entries, record) else {
        return;
    };
    // Copied, as `known` borrows the list that is written to.
    let (offset, has_room, flags) = (
        known.meant_offset(),
        known.meant_minor.is_some(),
        known.flags(),
    );
    if has_room {
        entries.put(at, offset, minor.to_le_bytes());
    } else if minor != 0 {
        entries.put(at, TYPE, [flags | HAS_MEANT]);
        entries.insert(at, offset, minor.to_le_bytes());
    }
}

/// Learns what `record`, which was held against another payment and went well, says of repeats at its payee.
pub(super) fn learn_repeat(entries: &mut EntryList, record: RecordRef<'_>, lateness: Lateness) {
    let Some((at, known)) = payee_paid_by(entries, record) else {
        return;
    };
    let (mut repeats, flags) = (known.repeats, known.flags());
    if record.is_repeat_that_was_meant(lateness) {
        repeats = repeats.and_confirmed();
    }
    if record.is_first_repeat_of_its_day(lateness) {
        repeats = repeats.and_day();
    }
    entries.put(at, REPEATS, [repeats.byte()]);
    if record.shows_that_orders_come_back(lateness) {
        entries.put(at, TYPE, [flags | ORDERS_COME_BACK]);
    }
}

/// Takes back what was learnt of repeats from `record`.
pub(super) fn unlearn_repeat(entries: &mut EntryList, record: RecordRef<'_>, lateness: Lateness) {
    if !record.repeats_a_paid_one(lateness) {
        return;
    }
    let Some((at, known)) = payee_paid_by(entries, record) else {
        return;
    };
    let (mut repeats, flags) = (known.repeats.without_days(), known.flags());
    if record.was_confirmed() {
        repeats = repeats.less_confirmed();
    }
    entries.put(at, REPEATS, [repeats.byte()]);
    entries.put(at, TYPE, [flags & !ORDERS_COME_BACK]);
}

fn payee_paid_by<'a>(
    entries: &'a EntryList,
    record: RecordRef<'_>,
) -> Option<(usize, KnownPayee<'a>)> {
    find(entries, record.payee_tag(), record.packed_payee()?)
}

fn find<'a>(
    entries: &'a EntryList,
    tag: u16,
    payee: (PayeeType, PackedId<'_>),
) -> Option<(usize, KnownPayee<'a>)> {
    entries.find(Kind::Payee, tag, |entry| {
        KnownPayee::read(entry).filter(|known| (known.payee_type, known.id) == payee)
    })
}
