//! The floods: each is a thread of this process that does one thing until it is stopped, as fast as it can
//! unless said otherwise.

use std::future::pending;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::nice;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::Code;

use super::wire::{
    BATCH, CONTINUATION, Ended, HEADERS, PING, PREFACE, RST_STREAM, Raw, SCORE, SETTINGS, Wire,
    frame, headers, packed,
};

/// Over how many connections frames and calls come, and how many calls are under way on each.
pub const CONNECTIONS: usize = 8;
pub const CALLS_EACH: usize = 32;

/// How many frames are sent at once.
const FRAMES: usize = 100;

/// How many connections are opened from one address: fewer than the server takes.
const CONNECTIONS_PER_ADDRESS: usize = 950;

/// How long a client that greets slowly takes for each byte.
const SLOW_BYTE: Duration = Duration::from_millis(100);

/// The longest message that the server takes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Who is that nice runs when nobody else wants to.
const NICEST: i32 = 19;

/// What is done to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Nothing: a thread as nice as a flood, and one that stands for the thread of the server that a flood
    /// keeps busy. What these cost the honest client, no server can help.
    Spin,
    /// Calls that are reset as they come.
    RapidReset,
    /// Metadata without end.
    Continuation,
    Ping,
    Settings,
    /// Connections that greet, and say nothing more.
    Idle(usize),
    /// Connections that greet a byte at a time.
    SlowGreeting(usize),
    /// 64 MiB packed into 65 kB.
    Bomb,
    /// A message that says it is too long.
    LongMessage,
    /// 1 GiB in all of messages that each lack one byte.
    UnfinishedMessage,
    /// A batch of two million payments that say nothing, in 4 MiB.
    EmptyPayments,
    /// 40 kB of it.
    LongMetadata,
}

/// An attack that goes on until it is stopped.
#[derive(Debug)]
pub struct Attacker {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    done: Arc<AtomicU64>,
    _spinning: Option<Spinning>,
}

/// A thread that keeps a core busy until this is dropped, and is not nice.
#[derive(Debug)]
struct Spinning(Arc<AtomicBool>);

impl Spinning {
    fn start() -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let spinning = Self(Arc::clone(&goes_on));
        thread::spawn(move || {
            while goes_on.load(Ordering::Relaxed) {
                std::hint::black_box(());
            }
        });
        spinning
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Attacker {
    /// Starts one, and waits until it is in place.
    pub fn start(attack: Attack, address: SocketAddr) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let (stop, mut stopped) = oneshot::channel();
        let (begin, begun) = mpsc::channel();
        let spinning = (attack == Attack::Spin).then(Spinning::start);
        let target = Target {
            address,
            done: Arc::clone(&done),
        };
        let thread = thread::spawn(move || {
            // Floods come from elsewhere: what making one takes is not to be taken from the others here.
            nice(NICEST).unwrap();
            if attack == Attack::Spin {
                begin.send(()).unwrap();
                while stopped.try_recv().is_err() {
                    std::hint::black_box(());
                }
                return;
            }
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = target.suffer(attack, begin) => {}
                    _ = stopped => {}
                }
            });
        });
        // One that panics instead tells so when it is stopped.
        let _ = begun.recv();
        Self {
            stop,
            thread,
            done,
            _spinning: spinning,
        }
    }

    /// How many frames, calls or connections it has come to.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().unwrap();
    }
}

/// The server, and what was done to it.
#[derive(Debug, Clone)]
struct Target {
    address: SocketAddr,
    done: Arc<AtomicU64>,
}

impl Target {
    fn count(&self, more: usize) {
        self.done.fetch_add(more as u64, Ordering::Relaxed);
    }

    async fn suffer(self, attack: Attack, begin: mpsc::Sender<()>) {
        let mut attackers = JoinSet::new();
        let few = 0..CONNECTIONS;
        let each = few.clone().map(|_| self.clone());
        match attack {
            Attack::Spin => {}
            Attack::RapidReset => each.for_each(|target| {
                attackers.spawn(target.flood(Vec::new(), resets));
            }),
            Attack::Continuation => {
                let begun = frame(HEADERS, 0, 1, &headers(SCORE));
                let pieces = frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']).repeat(FRAMES);
                each.for_each(|target| {
                    let pieces = pieces.clone();
                    attackers.spawn(target.flood(begun.clone(), move |_| pieces.clone()));
                });
            }
            Attack::Ping | Attack::Settings => {
                let one = match attack {
                    Attack::Ping => frame(PING, 0, 0, &[7; 8]),
                    _ => frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
                };
                let many = one.repeat(FRAMES);
                each.for_each(|target| {
                    let many = many.clone();
                    attackers.spawn(target.flood(Vec::new(), move |_| many.clone()));
                });
            }
            Attack::Idle(count) => {
                for nth in 0..count {
                    let raw = self.silent(nth).await.greet().await;
                    attackers.spawn(async move {
                        let _held = raw;
                        pending().await
                    });
                }
            }
            Attack::SlowGreeting(count) => (0..count).for_each(|nth| {
                attackers.spawn(self.clone().greet_slowly(nth));
            }),
            Attack::Bomb
            | Attack::LongMessage
            | Attack::UnfinishedMessage
            | Attack::EmptyPayments
            | Attack::LongMetadata => {
                let call = Arc::new(BadCall::of(attack));
                each.for_each(|target| {
                    attackers.spawn(target.call(Arc::clone(&call)));
                });
            }
        }
        begin.send(()).unwrap();
        while let Some(ended) = attackers.join_next().await {
            ended.unwrap();
        }
    }

    /// Sends frames until the connection is ended, and does it again.
    async fn flood(self, opening: Vec<u8>, mut next: impl FnMut(usize) -> Vec<u8>) {
        loop {
            let mut raw = Raw::greeted(self.address).await;
            raw.send(&opening).await;
            let counted = |nth| {
                self.count(FRAMES);
                next(nth)
            };
            raw.flood(usize::MAX, counted).await;
        }
    }

    async fn silent(&self, nth: usize) -> Raw {
        let host = u8::try_from(2 + nth / CONNECTIONS_PER_ADDRESS).unwrap();
        let raw = Raw::silent_from(Ipv4Addr::new(127, 0, 0, host), self.address).await;
        self.count(1);
        raw
    }

    async fn greet_slowly(self, nth: usize) {
        loop {
            let mut raw = self.silent(nth).await;
            for byte in PREFACE.chunks(1) {
                if !raw.send(byte).await {
                    break;
                }
                tokio::time::sleep(SLOW_BYTE).await;
            }
        }
    }

    /// Makes calls that are refused until the connection is ended, and does it again.
    async fn call(self, call: Arc<BadCall>) {
        loop {
            let wire = Wire::connect(self.address).await;
            let mut calls = JoinSet::new();
            for _ in 0..CALLS_EACH {
                let (target, wire, call) = (self.clone(), wire.clone(), Arc::clone(&call));
                calls.spawn(async move {
                    while let Ok(ended) = call.make(&wire).await {
                        call.is_refused(&ended);
                        target.count(1);
                    }
                });
            }
            while let Some(ended) = calls.join_next().await {
                ended.unwrap();
            }
        }
    }
}

/// Some calls and their resets, after so many of them.
fn resets(earlier: usize) -> Vec<u8> {
    let block = headers(SCORE);
    let call = |nth: usize| {
        let stream = u32::try_from(2 * nth + 1).unwrap();
        let begin = frame(HEADERS, 4, stream, &block);
        [begin, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    (FRAMES * earlier..FRAMES * (earlier + 1))
        .flat_map(call)
        .collect()
}

/// A call that is refused.
#[derive(Debug)]
struct BadCall {
    path: &'static str,
    metadata: Vec<(&'static str, String)>,
    body: Bytes,
    ends: bool,
    http: u16,
    code: Code,
}

impl BadCall {
    fn of(attack: Attack) -> Self {
        let call = |body: Bytes, code| Self {
            path: SCORE,
            metadata: Vec::new(),
            body,
            ends: true,
            http: 200,
            code,
        };
        let head =
            |length: usize| [&[0], &u32::try_from(length).unwrap().to_be_bytes()[..]].concat();
        match attack {
            Attack::Bomb => Self {
                metadata: vec![("grpc-encoding", "gzip".to_owned())],
                ..call(bomb(), Code::Unimplemented)
            },
            Attack::LongMetadata => Self {
                metadata: vec![("long", "x".repeat(40_000))],
                http: 431,
                ..call(packed(0, &[]), Code::Unknown)
            },
            Attack::EmptyPayments => Self {
                path: BATCH,
                ..call(
                    packed(0, &[0x0a, 0].repeat(MESSAGE_BYTES_MAX / 2)),
                    Code::InvalidArgument,
                )
            },
            Attack::UnfinishedMessage => {
                let message = [head(MESSAGE_BYTES_MAX), vec![0; MESSAGE_BYTES_MAX - 1]].concat();
                Self {
                    ends: false,
                    ..call(message.into(), Code::ResourceExhausted)
                }
            }
            _ => Self {
                ends: false,
                ..call(head(MESSAGE_BYTES_MAX + 1).into(), Code::ResourceExhausted)
            },
        }
    }

    async fn make(&self, wire: &Wire) -> Result<Ended, h2::Error> {
        let metadata = self.metadata.iter().map(|(name, text)| (*name, &**text));
        let metadata: Vec<_> = metadata.collect();
        let mut begun = wire.try_begin(self.path, &metadata).await?;
        begun.body.send_data(self.body.clone(), self.ends)?;
        begun.try_end().await
    }

    fn is_refused(&self, ended: &Ended) {
        assert_eq!(
            (ended.http, ended.code()),
            (self.http, self.code),
            "{ended:?}"
        );
    }
}

fn bomb() -> Bytes {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![0; 64 << 20]).unwrap();
    packed(1, &bomb.finish().unwrap())
}
