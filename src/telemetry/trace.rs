//! The trace that a call belongs to, as the W3C's header `traceparent` tells it.

use std::fmt;

/// The header.
pub const TRACEPARENT: &str = "traceparent";

/// A trace, and the caller's span in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The caller's span; never 0.
    pub span_id: u64,
}

impl TraceContext {
    /// Reads the header; `None` where it is no such thing, or the caller does not record the trace. A later
    /// version may say more behind what this one says.
    #[must_use]
    pub fn sampled(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let [version, trace_id, span_id, flags] = [2, 32, 16, 2].map(|digits| {
            let part = parts.next()?;
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            (part.len() == digits && part.bytes().all(is_hex)).then_some(part)
        });
        let version = u8::from_str_radix(version?, 16).ok()?;
        let goes_on = parts.next().is_some();
        let trace_id = u128::from_str_radix(trace_id?, 16).ok()?;
        let span_id = u64::from_str_radix(span_id?, 16).ok()?;
        let flags = u8::from_str_radix(flags?, 16).ok()?;
        let is_known = version < u8::MAX && (version > 0 || !goes_on);
        let is_sampled = flags & 1 == 1;
        let is_valid = is_known && trace_id != 0 && span_id != 0;
        (is_valid && is_sampled).then_some(Self { trace_id, span_id })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}-{:016x}", self.trace_id, self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_sampled_trace_is_read() {
        for header in [
            format!("00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-ff"),
            format!("01-{TRACE}-{SPAN}-01-more"),
        ] {
            let context = TraceContext::sampled(&header).unwrap();
            assert_eq!(context.to_string(), format!("{TRACE}-{SPAN}"));
        }
    }

    #[test]
    fn what_is_none_or_not_sampled_is_no_trace() {
        let (zeros, short) = ("0".repeat(32), &TRACE[1..]);
        for header in [
            String::new(),
            "-".repeat(55),
            format!("00-{TRACE}-{SPAN}-00"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[16..]),
            format!("00-{short}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-+{short}-{SPAN}-01"),
        ] {
            assert_eq!(TraceContext::sampled(&header), None, "{header}");
        }
    }
}
