//! Images give back the state to the last bit, and whatever else is read as one can be used.

use std::fs;

use doublecheck::random::Random;
use doublecheck::scoring::account::Account;
use doublecheck::scoring::assessment::{AmountSlip, Challenge, Decision, History};
use doublecheck::scoring::confirmation::{ConfirmationToken, PresentedToken};
use doublecheck::scoring::image::ImageFault;
use doublecheck::scoring::memory::{DeviceMemory, PayeeMemory, Payer, RiskChange, Surroundings};
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::{Outcome, PayeeRisk};
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
    SessionId,
};
use doublecheck::scoring::policy::{Policies, Policy, Value};
use doublecheck::scoring::signal::Signal;
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::scoring::window::WindowIndex;

/// An account, and what is known of the payee and the device that it used last.
#[derive(Debug, Clone, PartialEq)]
struct Life {
    account: Account,
    payee: PayeeMemory,
    device: DeviceMemory,
    now: Timestamp,
    made: Vec<(Payment, Option<PresentedToken>)>,
}

/// A life's images.
#[derive(Debug, Clone, PartialEq)]
struct Images {
    account: Vec<u8>,
    payee: Vec<u8>,
    device: Vec<u8>,
}

impl Life {
    fn new() -> Self {
        Self {
            account: Account::default(),
            payee: PayeeMemory::default(),
            device: DeviceMemory::default(),
            now: crate::timeline::START,
            made: Vec::new(),
        }
    }

    /// What happens next; tells all that came of it.
    fn step(&mut self, policies: &Policies, random: &mut Random) -> String {
        let gap_ms = match random.below(12) {
            0..=5 => random.below(40_000),
            6..=8 => random.below(900_000),
            9 => random.below(5_000_000),
            10 => 86_400_000,
            _ => random.below(400_000_000),
        };
        let gap_ms = if random.below(30) < 18 {
            gap_ms / 50
        } else {
            gap_ms
        };
        self.now = self.now.plus(Span::from_ms(gap_ms.cast_signed()));
        match random.below(12) {
            0..=5 => {
                let payment = self.payment(random);
                self.pay(policies, payment, None, random)
            }
            6 | 7 => match self.earlier(random) {
                Some((payment, token)) => self.pay(policies, payment, token, random),
                None => String::new(),
            },
            8..=10 => self.report(policies, random),
            _ => format!("{:?}", self.account.advance(policies.primary(), self.now)),
        }
    }

    fn earlier(&self, random: &mut Random) -> Option<(Payment, Option<PresentedToken>)> {
        let back = random.index(6) + 1;
        self.made.get(self.made.len().checked_sub(back)?).cloned()
    }

    fn payment(&self, random: &mut Random) -> Payment {
        let number = self.made.len();
        let payment_id = match random.below(4) {
            0 => format!("9b2e6c1f-5d7a-4a8e-b1c3-{number:012x}"),
            1 => format!("{number:032x}"),
            2 => format!("payment {number}"),
            _ => format!("中国-{number}"),
        };
        let payee = random.below(9);
        let currency =
            ["CNY", "JPY", "KWD", "EUR", "USD"][random.index(5).min(random.index(9) / 2)];
        let amount_minor = match random.below(4) {
            0 => 5_000,
            1 => 1 + random.below(3_000).cast_signed(),
            2 => 100 * (1 + random.below(400).cast_signed()),
            _ => 1 + random.below(1_000_000_000_000_000).cast_signed(),
        };
        let mut sometimes = |often: u64| (random.below(10) < often).then(|| random.below(4));
        Payment {
            payment_id: PaymentId::new(payment_id).unwrap(),
            account_id: AccountId::new("a").unwrap(),
            payee: Payee {
                id: PayeeId::new(format!("1381234567{payee}")).unwrap(),
                payee_type: PayeeType::ALL[usize::from(payee > 5)],
            },
            money: Money::new(amount_minor, Currency::from_code(currency).unwrap()).unwrap(),
            kind: PaymentKind::ALL[number % PaymentKind::ALL.len()],
            order_id: sometimes(3).map(|nth| OrderId::new(format!("order {nth}")).unwrap()),
            device_id: sometimes(8).map(|nth| DeviceId::new(format!("{nth:04}")).unwrap()),
            session_id: sometimes(2).map(|nth| SessionId::new(format!("s{nth}")).unwrap()),
            duplicate_window: sometimes(1).map(|nth| Span::from_minutes(nth.cast_signed())),
        }
    }

    fn pay(
        &mut self,
        policies: &Policies,
        payment: Payment,
        token: Option<PresentedToken>,
        random: &mut Random,
    ) -> String {
        let (policy, payer) = (policies.primary(), payer(random.below(40)));
        let surroundings = Surroundings {
            payee: self.payee.facts(policy, self.now),
            device: self.device.facts(self.now),
        };
        let fresh = ConfirmationToken::from_bytes([random.below(250).to_le_bytes()[0]; 24]);
        let scored = self.account.score(
            policies,
            &payment,
            token,
            &surroundings,
            |_| fresh,
            self.now,
        );
        if let Ok(scored) = &scored {
            self.payee.note_payer(policy, payer, self.now);
            self.payee
                .note_amount(payment.money, scored.above_doublings);
            self.device.note_payer(payer, self.now);
            let asked = scored.assessment.confirmation;
            let token = asked.map(|asked| PresentedToken {
                token: asked.token,
                expire_time: asked.expire_time,
            });
            self.made.push((payment, token));
        }
        format!("{surroundings:?} {scored:?}")
    }

    fn report(&mut self, policies: &Policies, random: &mut Random) -> String {
        let outcome = Outcome::ALL[random.index(Outcome::ALL.len())];
        let Some((payment, _)) = self.earlier(random) else {
            return String::new();
        };
        let (policy, payer) = (policies.primary(), payer(random.below(5)));
        let id = &payment.payment_id;
        let noted = self.account.report_outcome(policy, id, outcome, self.now);
        match &noted {
            Some(noted) => {
                let change = noted.risk_change.unwrap_or(RiskChange {
                    before: PayeeRisk::None,
                    after: PayeeRisk::Good,
                });
                self.payee.note_outcome(policy, payer, id, change, self.now);
            }
            None => {
                let account = &payment.account_id;
                self.payee
                    .note_late_outcome(policy, account, id, outcome, self.now);
            }
        }
        format!("{noted:?}")
    }

    fn images(&self) -> Images {
        let mut images = Images {
            account: Vec::new(),
            payee: Vec::new(),
            device: Vec::new(),
        };
        self.account.put_image(&mut images.account);
        self.payee.put_image(&mut images.payee);
        self.device.put_image(&mut images.device);
        images
    }

    /// The same with the state of these images.
    fn restored(&self, images: &Images) -> Result<Self, ImageFault> {
        Ok(Self {
            account: Account::from_image(&images.account)?,
            payee: PayeeMemory::from_image(&images.payee)?,
            device: DeviceMemory::from_image(&images.device)?,
            ..self.clone()
        })
    }
}

fn payer(nth: u64) -> Payer {
    Payer::of(&AccountId::new(format!("payer {nth}")).unwrap())
}

fn policies(payments_max: i64, payees_max: i64) -> Policies {
    let mut settings = vec![
        ("memory.payments_max".to_owned(), payments_max),
        ("memory.payees_max".to_owned(), payees_max),
        ("memory.devices_max".to_owned(), 2),
    ];
    for window in ["minute", "ten_minutes", "hour", "day"] {
        settings.push((
            format!("rapid_repeat.{window}_confirm_above"),
            payments_max / 4,
        ));
        settings.push((
            format!("rapid_repeat.{window}_block_above"),
            payments_max / 2,
        ));
    }
    let settings = settings
        .iter()
        .map(|(path, value)| (path.as_str(), Value::Integer(*value)));
    Policy::from_settings("images", settings).unwrap().into()
}

/// Lives under several bounds, each looked at after every step.
fn live(seeds: u64, steps: usize, mut look: impl FnMut(&Policies, &Life, &mut Random)) {
    for seed in 0..seeds {
        let policies = [policies(9, 3), policies(60, 40)];
        let policies = &policies[usize::from(seed % 3 == 0)];
        let (mut life, mut random) = (Life::new(), Random::new(seed));
        for _ in 0..steps {
            life.step(policies, &mut random);
            look(policies, &life, &mut random);
        }
    }
}

#[test]
fn an_image_gives_back_the_state_and_all_that_comes_of_it() {
    let mut images_looked_at = 0;
    live(60, 300, |policies, life, random| {
        let images = life.images();
        let mut restored = life.restored(&images).unwrap();
        assert_eq!(&restored, life);
        assert_eq!(restored.images(), images);
        images_looked_at += 1;
        if random.below(20) == 0 {
            let (mut life, mut same) = (life.clone(), random.clone());
            for _ in 0..40 {
                let expected = life.step(policies, random);
                assert_eq!(restored.step(policies, &mut same), expected);
            }
            assert_eq!(restored, life);
            assert_eq!(restored.images(), life.images());
        }
    });
    assert_eq!(images_looked_at, 60 * 300);
}

#[test]
fn an_image_cut_anywhere_is_refused() {
    live(6, 60, |_, life, random| {
        if random.below(10) > 0 {
            return;
        }
        let Images {
            account,
            payee,
            device,
        } = life.images();
        for cut in 0..account.len() {
            let fault = Account::from_image(&account[..cut]).unwrap_err();
            assert!(fault.offset <= cut, "{fault}");
        }
        for cut in 0..payee.len() {
            PayeeMemory::from_image(&payee[..cut]).unwrap_err();
        }
        for cut in 0..device.len() {
            DeviceMemory::from_image(&device[..cut]).unwrap_err();
        }
        let longer = [account, vec![0]].concat();
        assert_eq!(Account::from_image(&longer).unwrap_err().part, "end");
    });
}

/// Uses what was read: whatever it decides, it comes to an end, and can be written and read again.
fn use_up(policies: &Policies, mut life: Life, random: &mut Random) {
    let again = life.restored(&life.images()).unwrap();
    assert_eq!(again, life);
    let id = life
        .made
        .last()
        .map(|(payment, _)| payment.payment_id.clone());
    for _ in 0..4 {
        life.step(policies, random);
    }
    let window = life.account.window();
    let account_id = AccountId::new("a").unwrap();
    let version = |_| "v".into();
    let records = window.newest_first();
    let whole = records.filter_map(|record| record.record(&account_id, version));
    assert_eq!(whole.count(), window.len());
    assert!(id.is_none_or(|id| {
        life.account
            .record(&id)
            .is_none_or(|record| record.payment_id().as_ref() == Some(&id))
    }));
    life.restored(&life.images()).unwrap();
}

#[test]
fn whatever_is_read_can_be_used() {
    let (mut refused, mut used) = (0, 0);
    live(3, 80, |policies, life, random| {
        if random.below(25) > 0 {
            return;
        }
        let images = life.images();
        let parts: [fn(&mut Images) -> &mut Vec<u8>; 3] = [
            |images| &mut images.account,
            |images| &mut images.payee,
            |images| &mut images.device,
        ];
        for part in parts {
            for bit in 0..part(&mut images.clone()).len() * 8 {
                let mut damaged = images.clone();
                part(&mut damaged)[bit / 8] ^= 1 << (bit % 8);
                match life.restored(&damaged) {
                    Err(_) => refused += 1,
                    Ok(read) => {
                        used += 1;
                        use_up(policies, read, random);
                    }
                }
            }
        }
    });
    assert!(refused > 5_000 && used > 5_000, "{refused} {used}");
}

#[test]
fn a_short_image_that_promises_much_is_refused_at_once() {
    for filler in 0..=u8::MAX {
        for length in 0..200 {
            let bytes = vec![filler; length];
            let _ = Account::from_image(&bytes);
            let _ = PayeeMemory::from_image(&bytes);
            let _ = DeviceMemory::from_image(&bytes);
        }
    }
    let fault = Account::from_image(&[0; 12]).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "amounts, devices or payees at byte 12 of an image: not as it is written"
    );
}

/// Images as they were first written: an account's, a payee's and a device's.
const WRITTEN: &str = "tests/scoring/images.hex";

/// Whatever fails here changes what snapshots hold: those already written have to be read as before, or
/// refused by another version. Then `DOUBLECHECK_BLESS=1 cargo test --test scoring images`.
#[test]
fn images_that_were_written_are_read() {
    if std::env::var_os("DOUBLECHECK_BLESS").is_some() {
        let mut written = String::new();
        live(1, 120, |_, life, _| {
            let images = life.images();
            written = [&images.account, &images.payee, &images.device]
                .map(|image| hex(image) + "\n")
                .concat();
        });
        fs::write(WRITTEN, written).unwrap();
    }
    let written = fs::read_to_string(WRITTEN).unwrap();
    let images: Vec<Vec<u8>> = written.lines().map(bytes_of).collect();
    let [account, payee, device] = &images[..] else {
        panic!("{WRITTEN} holds three images");
    };
    let images = Images {
        account: account.clone(),
        payee: payee.clone(),
        device: device.clone(),
    };
    let life = Life::new().restored(&images).unwrap();
    assert_eq!(life.images(), images);
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The image of a busy account, of which days are known, as it was first written.
const WRITTEN_BUSY: &str = "tests/scoring/images-busy.hex";

#[test]
fn the_days_of_a_busy_account_are_in_its_image() {
    let policies = Policies::from(Policy::default());
    let (mut life, mut random) = (Life::new(), Random::new(1));
    for nth in 0..200 {
        let day = nth / 40 * 86_400_000;
        life.now = crate::timeline::START.plus(Span::from_ms(day + nth % 40 * 3_000));
        let payment = Payment {
            device_id: None,
            ..life.payment(&mut random)
        };
        life.pay(&policies, payment, None, &mut random);
    }
    let is_busy =
        |account: &Account| account.profile().pace().proven_count(WindowIndex::Hour) > 0.0;
    assert!(is_busy(&life.account));
    let images = life.images();
    let restored = life.restored(&images).unwrap();
    assert_eq!(restored, life);
    assert_eq!(restored.images(), images);
    for cut in 0..images.account.len() {
        Account::from_image(&images.account[..cut]).unwrap_err();
    }
    if std::env::var_os("DOUBLECHECK_BLESS").is_some() {
        fs::write(WRITTEN_BUSY, hex(&images.account) + "\n").unwrap();
    }
    let written = bytes_of(fs::read_to_string(WRITTEN_BUSY).unwrap().trim());
    let account = Account::from_image(&written).unwrap();
    assert!(is_busy(&account));
    let mut again = Vec::new();
    account.put_image(&mut again);
    assert_eq!(again, written);
}

/// The images of an account of whose payments nothing is ever heard and of its payee, as they were first written.
const WRITTEN_SILENT: &str = "tests/scoring/images-silent.hex";

#[test]
fn how_late_it_is_heard_of_payments_is_in_the_image() {
    let policies = Policies::from(Policy::default());
    let (mut life, mut random) = (Life::new(), Random::new(1));
    for _ in 0..3 {
        let payment = life.payment(&mut random);
        life.pay(&policies, payment, None, &mut random);
        life.now = life.now.plus(Span::from_hours(11));
        life.account.advance(policies.primary(), life.now);
    }
    let hears_late = |account: &Account| {
        let lateness = account.profile().pace().lateness();
        lateness.is_usually_longer_than(Span::from_minutes(5))
    };
    let (id, change) = (
        &life.made[0].0.payment_id,
        RiskChange {
            before: PayeeRisk::None,
            after: PayeeRisk::Strong,
        },
    );
    let policy = policies.primary();
    life.payee
        .note_outcome(policy, payer(1), id, change, life.now);
    let settled = |life: &Life| life.payee.facts(policy, life.now).reports.settled;
    assert!(settled(&life) > 2.5, "{}", settled(&life));

    let images = life.images();
    let restored = life.restored(&images).unwrap();
    assert!(hears_late(&restored.account));
    assert_eq!(restored, life);
    if std::env::var_os("DOUBLECHECK_BLESS").is_some() {
        let images = [&images.account, &images.payee];
        fs::write(
            WRITTEN_SILENT,
            images.map(|image| hex(image) + "\n").concat(),
        )
        .unwrap();
    }
    let written = fs::read_to_string(WRITTEN_SILENT).unwrap();
    let written: Vec<Vec<u8>> = written.lines().map(bytes_of).collect();
    let images = Images {
        account: written[0].clone(),
        payee: written[1].clone(),
        ..images
    };
    let restored = life.restored(&images).unwrap();
    assert!(hears_late(&restored.account) && settled(&restored) > 2.5);
    assert_eq!(restored.images(), images);
}

/// The image of an account that meant a sum which looked like a slip, as it was first written.
const WRITTEN_MEANT: &str = "tests/scoring/images-meant.hex";

#[test]
fn a_sum_that_was_meant_is_in_the_image() {
    let policies = Policies::from(Policy::default());
    let (mut life, mut random) = (Life::new(), Random::new(1));
    let fifty = Payment {
        money: Money::new(5_000, Currency::from_code("CNY").unwrap()).unwrap(),
        order_id: None,
        device_id: None,
        ..life.payment(&mut random)
    };
    let mut pay = |life: &mut Life, times: i64, token| {
        let id = PaymentId::new(format!("payment {}", life.made.len())).unwrap();
        let payment = Payment {
            payment_id: id.clone(),
            money: Money::new(5_000 * times, fifty.money.currency()).unwrap(),
            ..fifty.clone()
        };
        life.pay(&policies, payment, token, &mut random);
        life.now = life.now.plus(Span::from_minutes(1));
        let outcome = Outcome::Succeeded;
        if token.is_some() || times == 1 {
            let policy = policies.primary();
            life.account.report_outcome(policy, &id, outcome, life.now);
        }
    };
    for _ in 0..10 {
        pay(&mut life, 1, None);
        life.now = life.now.plus(Span::from_days(1));
    }
    pay(&mut life, 10, None);
    let (_, token) = life.made.last().cloned().unwrap();
    pay(&mut life, 10, Some(token.unwrap()));
    for _ in 0..10 {
        pay(&mut life, 1, None);
        life.now = life.now.plus(Span::from_days(1));
    }

    let meant = Money::new(50_000, fifty.money.currency()).unwrap();
    let is_known = |account: &Account| {
        let mut payees = account.profile().payees().iter();
        payees.any(|known| known.was_meant(meant) && known.amounts_minor().all(|sum| sum == 5_000))
    };
    assert!(is_known(&life.account));
    let images = life.images();
    assert_eq!(life.restored(&images).unwrap(), life);
    for cut in 0..images.account.len() {
        Account::from_image(&images.account[..cut]).unwrap_err();
    }
    if std::env::var_os("DOUBLECHECK_BLESS").is_some() {
        fs::write(WRITTEN_MEANT, hex(&images.account) + "\n").unwrap();
    }
    let written = bytes_of(fs::read_to_string(WRITTEN_MEANT).unwrap().trim());
    let account = Account::from_image(&written).unwrap();
    assert!(is_known(&account));
    let mut again = Vec::new();
    account.put_image(&mut again);
    assert_eq!(again, written);
}

/// The same holds for the order of what is written as a number.
#[test]
fn closed_sets_keep_their_numbers() {
    let currencies: Vec<_> = Currency::all().map(Currency::code).collect();
    let sets = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {currencies:?}",
        Signal::ALL,
        Outcome::ALL,
        Decision::ALL,
        Challenge::ALL,
        History::ALL,
        AmountSlip::ALL,
        PayeeType::ALL,
        PaymentKind::ALL,
    );
    assert_eq!(crc32c::crc32c(sets.as_bytes()), 3_386_148_702, "{sets}");
}

#[test]
fn that_orders_of_a_payee_come_back_is_in_the_image() {
    let policies = Policies::from(Policy::default());
    let (mut life, mut random) = (Life::new(), Random::new(1));
    let coffee = Payment {
        kind: PaymentKind::Purchase,
        order_id: Some(OrderId::new("1").unwrap()),
        device_id: None,
        duplicate_window: None,
        ..life.payment(&mut random)
    };
    let mut pay = |life: &mut Life, token, outcome: Option<Outcome>| {
        let id = PaymentId::new(format!("payment {}", life.made.len())).unwrap();
        let payment = Payment {
            payment_id: id.clone(),
            ..coffee.clone()
        };
        life.pay(&policies, payment, token, &mut random);
        life.now = life.now.plus(Span::from_minutes(1));
        if let Some(outcome) = outcome {
            let policy = policies.primary();
            life.account.report_outcome(policy, &id, outcome, life.now);
        }
    };
    let come_back = |life: &Life| {
        let mut payees = life.account.profile().payees().iter();
        payees.any(|known| known.orders_come_back)
    };
    pay(&mut life, None, Some(Outcome::Succeeded));
    life.now = life.now.plus(Span::from_hours(7));
    pay(&mut life, None, None);
    assert!(!come_back(&life));
    let (_, token) = life.made.last().cloned().unwrap();
    pay(&mut life, Some(token.unwrap()), Some(Outcome::Succeeded));
    assert!(come_back(&life));
    let images = life.images();
    assert_eq!(life.restored(&images).unwrap(), life);
}
