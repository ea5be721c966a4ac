//! How much one client, and all of them together, may ask of the edge.

use std::ops::RangeInclusive;

/// A limit as a setting: all its names, and what it may be.
#[derive(Debug)]
pub struct Limit {
    /// Its path in the file of settings.
    pub path: &'static str,
    /// Its variable of the environment.
    pub variable: &'static str,
    /// Its flag of the command line.
    pub flag: &'static str,
    /// What it must be.
    pub expected: &'static str,
    /// What it is unless told otherwise.
    pub default: u64,
    /// What it limits, in lines.
    pub what: &'static [&'static str],
    range: RangeInclusive<u64>,
    place: fn(&mut Limits) -> &mut u64,
}

impl Limit {
    /// Takes `text` as such a number.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(&self, text: &str) -> Result<u64, &'static str> {
        let number = text.parse().ok();
        let number = number.filter(|number| self.range.contains(number));
        number.ok_or(self.expected)
    }
}

macro_rules! limits {
    ($($(#[doc = $what:literal])+ $name:ident: $section:literal $variable:literal $flag:literal
        = $default:literal, $min:literal to $max:literal;)+) => {
        /// How much one client, and all of them together, may ask of the edge.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $what])+ pub $name: u64,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self::DEFAULT
            }
        }

        impl Limits {
            /// What they are unless told otherwise.
            pub const DEFAULT: Self = Self { $($name: $default,)+ };

            /// Every one of them, as settings.
            pub const ALL: &'static [Limit] = &[$(Limit {
                path: concat!($section, ".", stringify!($name)),
                variable: $variable,
                flag: $flag,
                expected: concat!("a whole number from ", $min, " to ", $max),
                default: $default,
                what: &[$($what),+],
                range: $min..=$max,
                place: |limits| &mut limits.$name,
            },)+];
        }
    };
}

limits! {
    /// The longest message taken, in bytes. A batch of 1,000 payments with every id at its longest is under
    /// 1 MiB.
    message_bytes: "limits" "DOUBLECHECK_LIMITS_MESSAGE_BYTES" "--limits-message-bytes"
        = 4_194_304, 1_024 to 67_108_864;
    /// How many bytes messages may take that have begun and not come whole, and answers that their clients have no
    /// room for, over all connections; the threads share them out evenly, and each has room for the longest
    /// message. Of each, 16 KiB are not counted.
    unfinished_bytes: "limits" "DOUBLECHECK_LIMITS_UNFINISHED_BYTES" "--limits-unfinished-bytes"
        = 67_108_864, 1_024 to 1_099_511_627_776;
    /// Within how many milliseconds a message must have come whole: of a call of one message from its beginning on,
    /// of a stream each item from its first byte on. Between its items a stream may be silent.
    message_ms: "limits" "DOUBLECHECK_LIMITS_MESSAGE_MS" "--limits-message-ms"
        = 10_000, 10 to 86_400_000;
    /// For how many milliseconds an answer waits for its client to have room for any more of it; then its call is
    /// given up. Meanwhile what comes for the call waits too, and what is sent for others of its connection may
    /// have no room.
    unread_ms: "limits" "DOUBLECHECK_LIMITS_UNREAD_MS" "--limits-unread-ms"
        = 10_000, 10 to 86_400_000;
    /// The most metadata that a call may bring, in bytes as HTTP/2 counts them.
    metadata_bytes: "limits" "DOUBLECHECK_LIMITS_METADATA_BYTES" "--limits-metadata-bytes"
        = 16_384, 4_096 to 1_048_576;
    /// How many calls may be open on one connection; a client that knows this waits with others.
    streams_per_connection: "limits" "DOUBLECHECK_LIMITS_STREAMS_PER_CONNECTION" "--limits-streams-per-connection"
        = 1_024, 1 to 1_000_000;
    /// How many connections may be open; fewer where the process may not have files enough for them.
    connections: "limits" "DOUBLECHECK_LIMITS_CONNECTIONS" "--limits-connections"
        = 10_000, 1 to 1_000_000;
    /// How many of them may be from one address; an IPv6 network of 64 bits counts as one.
    connections_per_address: "limits" "DOUBLECHECK_LIMITS_CONNECTIONS_PER_ADDRESS" "--limits-connections-per-address"
        = 1_000, 1 to 1_000_000;
    /// Within how many milliseconds a connection must have said what every HTTP/2 client begins with.
    handshake_ms: "limits" "DOUBLECHECK_LIMITS_HANDSHAKE_MS" "--limits-handshake-ms"
        = 5_000, 10 to 600_000;
    /// After how many seconds without an open call a connection is asked to leave; it is noticed up to a
    /// quarter late.
    idle_s: "limits" "DOUBLECHECK_LIMITS_IDLE_S" "--limits-idle-s"
        = 300, 1 to 2_592_000;
    /// After how many seconds a connection is asked to leave, so that clients spread anew; up to a tenth
    /// sooner, so that not all do at once. They count from when it must have greeted (`limits.handshake_ms`).
    /// Open calls go on.
    connection_age_s: "limits" "DOUBLECHECK_LIMITS_CONNECTION_AGE_S" "--limits-connection-age-s"
        = 3_600, 1 to 2_592_000;
    /// For how many seconds more its open calls may go on then, before it is closed. Streams may last.
    connection_grace_s: "limits" "DOUBLECHECK_LIMITS_CONNECTION_GRACE_S" "--limits-connection-grace-s"
        = 86_400, 1 to 2_592_000;
    /// How many microseconds of work a second may come to nothing, of one connection and of all of an address:
    /// frames without calls, calls that are refused for what they are, connections without a call. Who sends
    /// more is read from more slowly; with 1,000,000, a whole core, nobody is.
    waste_us: "limits" "DOUBLECHECK_LIMITS_WASTE_US" "--limits-waste-us"
        = 10_000, 100 to 1_000_000;
    /// How many calls may wait for their answer at once, streams aside. The threads share them out evenly.
    in_flight: "admission" "DOUBLECHECK_ADMISSION_IN_FLIGHT" "--admission-in-flight"
        = 16_384, 1 to 1_000_000;
    /// After how many milliseconds in the queue for its thread a call is refused rather than answered late.
    queue_ms: "admission" "DOUBLECHECK_ADMISSION_QUEUE_MS" "--admission-queue-ms"
        = 200, 1 to 60_000;
}

impl Limits {
    /// Sets one of them.
    pub fn set(&mut self, limit: &Limit, number: u64) {
        *(limit.place)(self) = number;
    }

    /// What one of them is.
    #[must_use]
    pub fn of(mut self, limit: &Limit) -> u64 {
        *(limit.place)(&mut self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_limit_goes_by_one_name_and_takes_its_default() {
        for limit in Limits::ALL {
            let name = limit.path.replace('.', "_");
            assert_eq!(
                limit.variable,
                format!("DOUBLECHECK_{}", name.to_uppercase())
            );
            assert_eq!(limit.flag, format!("--{}", name.replace('_', "-")));
            assert_eq!(limit.parse(&limit.default.to_string()), Ok(limit.default));
            assert_eq!(Limits::default().of(limit), limit.default);
        }
        let places: BTreeSet<&str> = Limits::ALL.iter().map(|limit| limit.path).collect();
        assert_eq!(places.len(), Limits::ALL.len());
    }

    #[test]
    fn a_limit_is_a_whole_number_within_its_range_and_sets_only_itself() {
        for limit in Limits::ALL {
            let (min, max) = (limit.range.start(), limit.range.end());
            assert_eq!(limit.parse(&min.to_string()), Ok(*min));
            assert_eq!(limit.parse(&max.to_string()), Ok(*max));
            for bad in [
                (min - 1).to_string(),
                (max + 1).to_string(),
                "1.5".into(),
                "".into(),
            ] {
                assert_eq!(
                    limit.parse(&bad),
                    Err(limit.expected),
                    "{}: {bad}",
                    limit.path
                );
            }
            let mut limits = Limits::default();
            limits.set(limit, 7);
            for other in Limits::ALL {
                let expected = if other.path == limit.path {
                    7
                } else {
                    other.default
                };
                assert_eq!(limits.of(other), expected, "{} {}", limit.path, other.path);
            }
        }
    }
}
