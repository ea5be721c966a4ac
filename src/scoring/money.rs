//! Money in whole minor units of a real currency. No floats, no conversion between currencies.

use std::fmt;

/// The largest amount a payment may carry, in minor units: 10^15.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

/// How many bits that takes.
const AMOUNT_BITS: u32 = i64::BITS - AMOUNT_MINOR_MAX.leading_zeros();

/// An amount of one currency, 1 to [`AMOUNT_MINOR_MAX`] minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount_minor: i64,
    currency: Currency,
}

/// Why a number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountOutOfRange;

impl fmt::Display for AmountOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be 1 to {AMOUNT_MINOR_MAX} minor units")
    }
}

impl std::error::Error for AmountOutOfRange {}

impl Money {
    /// `amount_minor` smallest units of `currency`.
    ///
    /// # Errors
    /// [`AmountOutOfRange`] unless the amount is 1 to [`AMOUNT_MINOR_MAX`].
    pub const fn new(amount_minor: i64, currency: Currency) -> Result<Self, AmountOutOfRange> {
        match Self::check_amount(amount_minor) {
            Ok(()) => Ok(Self {
                amount_minor,
                currency,
            }),
            Err(out_of_range) => Err(out_of_range),
        }
    }

    /// How many bits [`to_bits`](Self::to_bits) takes.
    pub(super) const BITS: u32 = AMOUNT_BITS + u8::BITS;

    /// The amount and, above it, the currency.
    pub(super) const fn to_bits(self) -> u64 {
        self.amount_minor.cast_unsigned() | (self.currency.0 as u64) << AMOUNT_BITS
    }

    /// What [`to_bits`](Self::to_bits) gave, in the lowest bits of a word.
    pub(super) const fn from_bits(bits: u64) -> Self {
        let [currency, ..] = (bits >> AMOUNT_BITS).to_le_bytes();
        Self {
            amount_minor: (bits & ((1 << AMOUNT_BITS) - 1)).cast_signed(),
            currency: Currency(currency),
        }
    }

    /// Whether `amount_minor` may be an amount, in whatever currency.
    ///
    /// # Errors
    /// [`AmountOutOfRange`] unless the amount is 1 to [`AMOUNT_MINOR_MAX`].
    pub const fn check_amount(amount_minor: i64) -> Result<(), AmountOutOfRange> {
        if amount_minor < 1 || amount_minor > AMOUNT_MINOR_MAX {
            return Err(AmountOutOfRange);
        }
        Ok(())
    }

    /// How many smallest units.
    #[must_use]
    pub const fn amount_minor(self) -> i64 {
        self.amount_minor
    }

    /// Which currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    /// As people write it: `50.00 CNY`, `500 JPY`, `1.250 KWD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.currency.write_amount(f, self.amount_minor)
    }
}

/// A currency of ISO 4217 that payments are made in (no metals, funds or test codes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u8);

/// Why a text is no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCurrency;

impl fmt::Display for UnknownCurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an ISO 4217 currency code in capitals, such as CNY")
    }
}

impl std::error::Error for UnknownCurrency {}

impl Currency {
    /// The currency of a three-letter code in capitals.
    ///
    /// # Errors
    /// [`UnknownCurrency`] when ISO 4217 lists no such code.
    pub fn from_code(code: &str) -> Result<Self, UnknownCurrency> {
        let code: [u8; 3] = code.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        let nth = PLACES.get(place_of(code)).copied().ok_or(UnknownCurrency)?;
        match CURRENCIES.get(usize::from(nth)) {
            Some((known, _)) if *known == code => Ok(Self(nth)),
            _ => Err(UnknownCurrency),
        }
    }

    /// Its place in the order of the codes, as [`from_number`](Self::from_number) takes it.
    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// The currency in this place.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        (usize::from(number) < CURRENCIES.len()).then_some(Self(number))
    }

    /// Every currency, in the order of the codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..u8::MAX).map(Self).take(CURRENCIES.len())
    }

    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.entry()
            .and_then(|(code, _)| std::str::from_utf8(code).ok())
            .unwrap_or("XXX")
    }

    /// How many digits stand after the decimal point: JPY 0, CNY 2, KWD 3.
    #[must_use]
    pub fn exponent(self) -> u8 {
        self.entry().map_or(0, |(_, exponent)| *exponent)
    }

    /// `amount_minor` of this currency as people write it.
    pub(crate) fn write_amount(self, f: &mut fmt::Formatter<'_>, amount_minor: i64) -> fmt::Result {
        let code = self.code();
        let exponent = usize::from(self.exponent());
        if exponent == 0 {
            return write!(f, "{amount_minor} {code}");
        }
        let unit = 10_i64.saturating_pow(u32::from(self.exponent()));
        let major = amount_minor.div_euclid(unit);
        let minor = amount_minor.rem_euclid(unit);
        write!(f, "{major}.{minor:0exponent$} {code}")
    }

    fn entry(self) -> Option<&'static ([u8; 3], u8)> {
        CURRENCIES.get(usize::from(self.0))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Where [`PLACES`] says which currency has this code: at five bits of every letter.
const fn place_of([first, second, third]: [u8; 3]) -> usize {
    ((first & 31) as usize) << 10 | ((second & 31) as usize) << 5 | (third & 31) as usize
}

/// At the place of every code, which of [`CURRENCIES`] that is; elsewhere a number that none of them has.
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "worked out while compiling, which fails where an index is out of bounds; there are 200 at most"
)]
static PLACES: [u8; 1 << 15] = {
    let mut places = [u8::MAX; 1 << 15];
    let mut nth = 0;
    while nth < CURRENCIES.len() {
        places[place_of(CURRENCIES[nth].0)] = nth as u8;
        nth += 1;
    }
    places
};

/// Active codes and their exponents, sorted by code. Source: ISO 4217:2015 list one.
#[rustfmt::skip]
static CURRENCIES: &[([u8; 3], u8)] = &[
    (*b"AED", 2), (*b"AFN", 2), (*b"ALL", 2), (*b"AMD", 2), (*b"AOA", 2), (*b"ARS", 2),
    (*b"AUD", 2), (*b"AWG", 2), (*b"AZN", 2), (*b"BAM", 2), (*b"BBD", 2), (*b"BDT", 2),
    (*b"BGN", 2), (*b"BHD", 3), (*b"BIF", 0), (*b"BMD", 2), (*b"BND", 2), (*b"BOB", 2),
    (*b"BOV", 2), (*b"BRL", 2), (*b"BSD", 2), (*b"BTN", 2), (*b"BWP", 2), (*b"BYN", 2),
    (*b"BZD", 2), (*b"CAD", 2), (*b"CDF", 2), (*b"CHE", 2), (*b"CHF", 2), (*b"CHW", 2),
    (*b"CLF", 4), (*b"CLP", 0), (*b"CNY", 2), (*b"COP", 2), (*b"COU", 2), (*b"CRC", 2),
    (*b"CUP", 2), (*b"CVE", 2), (*b"CZK", 2), (*b"DJF", 0), (*b"DKK", 2), (*b"DOP", 2),
    (*b"DZD", 2), (*b"EGP", 2), (*b"ERN", 2), (*b"ETB", 2), (*b"EUR", 2), (*b"FJD", 2),
    (*b"FKP", 2), (*b"GBP", 2), (*b"GEL", 2), (*b"GHS", 2), (*b"GIP", 2), (*b"GMD", 2),
    (*b"GNF", 0), (*b"GTQ", 2), (*b"GYD", 2), (*b"HKD", 2), (*b"HNL", 2), (*b"HTG", 2),
    (*b"HUF", 2), (*b"IDR", 2), (*b"ILS", 2), (*b"INR", 2), (*b"IQD", 3), (*b"IRR", 2),
    (*b"ISK", 0), (*b"JMD", 2), (*b"JOD", 3), (*b"JPY", 0), (*b"KES", 2), (*b"KGS", 2),
    (*b"KHR", 2), (*b"KMF", 0), (*b"KPW", 2), (*b"KRW", 0), (*b"KWD", 3), (*b"KYD", 2),
    (*b"KZT", 2), (*b"LAK", 2), (*b"LBP", 2), (*b"LKR", 2), (*b"LRD", 2), (*b"LSL", 2),
    (*b"LYD", 3), (*b"MAD", 2), (*b"MDL", 2), (*b"MGA", 2), (*b"MKD", 2), (*b"MMK", 2),
    (*b"MNT", 2), (*b"MOP", 2), (*b"MRU", 2), (*b"MUR", 2), (*b"MVR", 2), (*b"MWK", 2),
    (*b"MXN", 2), (*b"MXV", 2), (*b"MYR", 2), (*b"MZN", 2), (*b"NAD", 2), (*b"NGN", 2),
    (*b"NIO", 2), (*b"NOK", 2), (*b"NPR", 2), (*b"NZD", 2), (*b"OMR", 3), (*b"PAB", 2),
    (*b"PEN", 2), (*b"PGK", 2), (*b"PHP", 2), (*b"PKR", 2), (*b"PLN", 2), (*b"PYG", 0),
    (*b"QAR", 2), (*b"RON", 2), (*b"RSD", 2), (*b"RUB", 2), (*b"RWF", 0), (*b"SAR", 2),
    (*b"SBD", 2), (*b"SCR", 2), (*b"SDG", 2), (*b"SEK", 2), (*b"SGD", 2), (*b"SHP", 2),
    (*b"SLE", 2), (*b"SOS", 2), (*b"SRD", 2), (*b"SSP", 2), (*b"STN", 2), (*b"SVC", 2),
    (*b"SYP", 2), (*b"SZL", 2), (*b"THB", 2), (*b"TJS", 2), (*b"TMT", 2), (*b"TND", 3),
    (*b"TOP", 2), (*b"TRY", 2), (*b"TTD", 2), (*b"TWD", 2), (*b"TZS", 2), (*b"UAH", 2),
    (*b"UGX", 0), (*b"USD", 2), (*b"USN", 2), (*b"UYI", 0), (*b"UYU", 2), (*b"UYW", 4),
    (*b"UZS", 2), (*b"VED", 2), (*b"VES", 2), (*b"VND", 0), (*b"VUV", 0), (*b"WST", 2),
    (*b"XAD", 2), (*b"XAF", 0), (*b"XCD", 2), (*b"XCG", 2), (*b"XOF", 0), (*b"XPF", 0),
    (*b"YER", 2), (*b"ZAR", 2), (*b"ZMW", 2), (*b"ZWG", 2),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_itself_and_the_table_is_sorted() {
        assert!(CURRENCIES.is_sorted_by_key(|(code, _)| *code));
        assert_eq!(Currency::all().count(), CURRENCIES.len());
        for currency in Currency::all() {
            assert_eq!(Currency::from_code(currency.code()), Ok(currency));
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in [
            "", "CN", "CNYY", "cny", "XXX", "XTS", "XAU", "ABC", "\u{4e00}",
        ] {
            assert_eq!(Currency::from_code(text), Err(UnknownCurrency), "{text:?}");
        }
    }

    #[test]
    fn exponents_and_amounts_agree_with_an_independent_table() {
        for currency in Currency::all() {
            if let Some(known) = iso_currency::Currency::from_code(currency.code()) {
                assert_eq!(
                    Some(u16::from(currency.exponent())),
                    known.exponent(),
                    "{currency}"
                );
            }
        }
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        let written = |amount_minor, code| {
            Money::new(amount_minor, Currency::from_code(code).unwrap())
                .unwrap()
                .to_string()
        };
        assert_eq!(written(5_000, "CNY"), "50.00 CNY");
        assert_eq!(written(5, "CNY"), "0.05 CNY");
        assert_eq!(written(500, "JPY"), "500 JPY");
        assert_eq!(written(1_250, "KWD"), "1.250 KWD");
        assert_eq!(written(AMOUNT_MINOR_MAX, "EUR"), "10000000000000.00 EUR");
    }

    #[test]
    fn amounts_out_of_range_are_refused() {
        let cny = Currency::from_code("CNY").unwrap();
        for amount_minor in [i64::MIN, -1, 0, AMOUNT_MINOR_MAX + 1, i64::MAX] {
            assert_eq!(
                Money::new(amount_minor, cny),
                Err(AmountOutOfRange),
                "{amount_minor}"
            );
        }
    }
}
