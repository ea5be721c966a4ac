//! Counts the HTTP/2 frames that a client sends, looking at their headers alone.
//!
//! HTTP/2 obliges a server to answer PING and SETTINGS, and allows any number of frames that carry no call: a
//! client can keep a core busy without ever asking for anything. So frames without a call are weighed against
//! those with one, and what each costs is counted.

use super::preface::PREFACE;

const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

/// How many frames without a call a client may send in all: a PING every ten seconds for a day.
const IDLE_FRAMES: u64 = 10_000;

/// And how many more for each frame that carries one: each answer may cause a PING and some WINDOW_UPDATEs.
const IDLE_FRAMES_PER_BUSY: u64 = 4;

/// And one more frame without a call for this many bytes of answers: a client sends WINDOW_UPDATEs for what it
/// reads, for the call and for the connection, and proxies do so every few kilobytes.
const SENT_BYTES_PER_IDLE_FRAME: u64 = 1_024;

/// How many calls a client may reset, beside one for every second frame that carries a call: enough for clients
/// that reset calls after sending their messages, and too few for those that only begin and reset.
const RESETS: u64 = 1_000;

/// What it takes to read a frame, and to answer it where HTTP/2 does, in nanoseconds; and what each byte of
/// metadata takes, which has to be decompressed.
const DATA_NS: u64 = 300;
const FRAME_NS: u64 = 500;
const METADATA_BYTE_NS: u64 = 4;

/// What DATA is worth that a call has waited for: what it takes, and the frames without calls that may come
/// with it.
pub(super) const fn data_worth_ns(bytes: usize) -> u64 {
    DATA_NS + bytes as u64 + IDLE_FRAMES_PER_BUSY * FRAME_NS
}

/// The frames so far.
#[derive(Debug)]
pub(super) struct Frames {
    /// The header of the next frame, as far as it has come.
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// How many bytes come before the next header.
    skip_bytes: usize,
    /// Frames that carry a call or a part of it.
    busy: u64,
    /// All others.
    idle: u64,
    /// Those of the others that reset a call.
    resets: u64,
    /// What frames took, since that was asked last.
    work_ns: u64,
    /// How many bytes were sent to the client.
    sent_bytes: u64,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self {
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            skip_bytes: PREFACE.len(),
            busy: 0,
            idle: 0,
            resets: 0,
            work_ns: 0,
            sent_bytes: 0,
        }
    }

    /// Counts bytes sent to the client.
    pub(super) const fn send(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
    }

    /// Reads on in what the client sends.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip_bytes.min(bytes.len());
            self.skip_bytes -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD_BYTES - self.head_bytes).min(bytes.len());
            self.head[self.head_bytes..][..taken].copy_from_slice(&bytes[..taken]);
            self.head_bytes += taken;
            bytes = &bytes[taken..];
            if self.head_bytes == HEAD_BYTES {
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [a, b, c, kind, ..] = self.head;
        self.skip_bytes = u32::from_be_bytes([0, a, b, c]) as usize;
        self.head_bytes = 0;
        // DATA without data carries nothing.
        if kind == HEADERS || kind == DATA && self.skip_bytes > 0 {
            self.busy += 1;
        } else {
            self.idle += 1;
            self.resets += u64::from(kind == RST_STREAM);
        }
        let bytes = self.skip_bytes as u64;
        self.work_ns += match kind {
            DATA if bytes > 0 => DATA_NS + bytes,
            HEADERS | CONTINUATION => FRAME_NS + METADATA_BYTE_NS * bytes,
            // All other frames are short.
            _ => FRAME_NS,
        };
    }

    /// What frames have taken since this was asked last.
    pub(super) const fn take_work_ns(&mut self) -> u64 {
        std::mem::replace(&mut self.work_ns, 0)
    }

    /// How many frames have begun.
    pub(super) const fn count(&self) -> u64 {
        self.busy + self.idle
    }

    /// Whether the preface and the client's SETTINGS have come.
    pub(super) const fn is_established(&self) -> bool {
        self.count() > 1 || self.count() == 1 && self.skip_bytes == 0
    }

    /// Whether there are far more frames without a call, or resets, than any client has a use for.
    pub(super) const fn is_flood(&self) -> bool {
        let for_answers = self.sent_bytes / SENT_BYTES_PER_IDLE_FRAME;
        self.idle > IDLE_FRAMES + IDLE_FRAMES_PER_BUSY * self.busy + for_answers
            || self.resets > RESETS + self.busy / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: u8 = 4;
    const PING: u8 = 6;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, 0, 0, 0, 0, 1];
        [&head, payload].concat()
    }

    fn opening() -> Vec<u8> {
        [PREFACE, &frame(SETTINGS, &[0; 12])].concat()
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let sent = [
            opening(),
            frame(PING, &[0; 8]),
            frame(HEADERS, &[0; 300]),
            frame(DATA, &[0; 70_000]),
            frame(DATA, &[]),
            frame(HEADERS, &[]),
        ];
        let sent = sent.concat();
        for cut in [1, 2, 7, 9, 10, 33, 1_000, sent.len()] {
            let mut frames = Frames::new();
            sent.chunks(cut).for_each(|bytes| frames.follow(bytes));
            assert_eq!((frames.busy, frames.idle), (3, 3), "{cut}");
            assert_eq!((frames.head_bytes, frames.skip_bytes), (0, 0), "{cut}");
            let work_ns = 5 * FRAME_NS + DATA_NS + 300 * METADATA_BYTE_NS + 70_000;
            assert_eq!(frames.take_work_ns(), work_ns, "{cut}");
            assert_eq!(frames.take_work_ns(), 0);
        }
    }

    #[test]
    fn a_client_is_established_with_the_last_byte_of_its_settings() {
        let mut frames = Frames::new();
        for byte in opening() {
            assert!(!frames.is_established());
            frames.follow(&[byte]);
        }
        assert!(frames.is_established());
    }

    #[test]
    fn who_begins_calls_only_to_give_them_up_is_a_flood_and_who_asks_first_is_not() {
        let call = |message: &[u8]| {
            let reset = frame(RST_STREAM, &[0, 0, 0, 8]);
            [frame(HEADERS, &[0; 20]), message.to_vec(), reset].concat()
        };
        let (mut begun, mut asked) = (Frames::new(), Frames::new());
        begun.follow(&opening());
        asked.follow(&opening());
        for _ in 0..2 * RESETS {
            assert!(!begun.is_flood());
            begun.follow(&call(&[]));
            asked.follow(&call(&frame(DATA, &[0; 9])));
        }
        begun.follow(&call(&[]));
        assert!(begun.is_flood());
        assert!(!asked.is_flood());
    }

    #[test]
    fn a_flood_is_many_frames_without_calls() {
        let mut frames = Frames::new();
        frames.follow(&opening());
        let ping = frame(PING, &[0; 8]);
        for _ in 1..IDLE_FRAMES {
            frames.follow(&ping);
        }
        assert!(!frames.is_flood());
        frames.follow(&frame(HEADERS, &[0; 20]));
        for _ in 0..IDLE_FRAMES_PER_BUSY {
            frames.follow(&ping);
        }
        assert!(!frames.is_flood(), "a call is worth some more");
        frames.follow(&ping);
        assert!(frames.is_flood());
        frames.send(1_024);
        assert!(!frames.is_flood(), "and so is a long answer");
        frames.follow(&ping);
        assert!(frames.is_flood());
    }
}
