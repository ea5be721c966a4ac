//! Redis, asked directly: a server of our own, and one script per payment.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doublecheck::scoring::payment::{AccountId, Payment};
use redis::IntoConnectionInfo as _;
use redis::io::tcp::TcpSettings;

use super::composed::now_ms;
use super::draft::Draft;
use super::{Answer, Figures, process_cpu};
use crate::common::{Random, START, Town, median_of};

/// A redis-server on a free port, which keeps nothing on disk, ended with this value.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    pub url: String,
    pub script: String,
}

impl Redis {
    /// None where there is no redis-server.
    pub fn start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port])
            .args(["--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let mut redis = Self {
            server,
            url: format!("redis://127.0.0.1:{port}/"),
            script: String::new(),
        };
        let mut connection = redis.connect();
        let load = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(include_str!("score.lua"))
            .query(&mut connection);
        redis.script = load.unwrap();
        Some(redis)
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    fn connect(&self) -> redis::Connection {
        let client = client(&self.url);
        let started = Instant::now();
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Gives the accounts that `load` pays from `earlier` payments each, over the last day.
    pub fn fill(&self, accounts: u64, earlier: i64) {
        let mut connection = self.connect();
        let mut random = Random::new(7);
        let numbers: Vec<u64> = (1..=accounts).collect();
        for numbers in numbers.chunks(1_000) {
            let mut pipe = redis::pipe();
            for number in numbers {
                let add = pipe
                    .cmd("ZADD")
                    .arg(format!("account-{number:010}"))
                    .ignore();
                for nth in 0..earlier {
                    let at_ms = now_ms() - (nth + 1) * 80_000_000 / (earlier + 1);
                    let (amount, payee) =
                        (20_000 + random.below(80_000), random.below(100_000_000));
                    add.arg(at_ms)
                        .arg(format!("{amount}|138{payee:08}|{:036x}", random.next()));
                }
            }
            pipe.query::<()>(&mut connection).unwrap();
        }
    }

    /// Scores `payments` on accounts that exist, `depth` of them at a time. Every hundredth is made twice.
    pub fn load(&self, accounts: u64, seed: u64, payments: usize, depth: usize) -> Figures {
        let (mut connection, town) = (self.connect(), Town::new(accounts));
        let mut random = Random::new(0x4ed1 ^ seed << 20);
        let mut calls: Vec<Payment> = Vec::with_capacity(payments);
        for nth in 0..payments {
            let number = random.below(accounts);
            let mut next = town.payment(number, &mut random);
            next.account_id = loaded_account(number + 1);
            if nth % 100 == 99 {
                let payment_id = next.payment_id;
                next = Payment {
                    payment_id,
                    ..calls[nth - 1].clone()
                };
            }
            calls.push(next);
        }
        let cpu_before = process_cpu(self.pid());
        let started = Instant::now();
        let (mut trips_us, mut refused) = (Vec::new(), 0);
        for calls in calls.chunks(depth) {
            let sent = Instant::now();
            let answers = self.ask(&mut connection, calls, now_ms());
            trips_us.push(sent.elapsed().as_secs_f64() * 1e6);
            refused += answers.iter().filter(|answer| answer[0] != 0).count();
        }
        let took = started.elapsed();
        let cpu = process_cpu(self.pid()) - cpu_before;
        let repeats = payments / 100;
        assert!(
            (repeats..=repeats + payments / 1_000 + 1).contains(&refused),
            "{refused} refused"
        );
        Figures {
            p50_us: median_of(&mut trips_us).0,
            per_second: payments as f64 / took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / payments as f64,
        }
    }

    fn ask(
        &self,
        connection: &mut redis::Connection,
        calls: &[Payment],
        now_ms: i64,
    ) -> Vec<Answer> {
        let mut pipe = redis::pipe();
        for call in calls {
            pipe.cmd("EVALSHA")
                .arg(&self.script)
                .arg(1)
                .arg(call.account_id.to_string())
                .arg(now_ms)
                .arg(call.money.amount_minor())
                .arg(call.payee.id.to_string())
                .arg(call.payment_id.to_string());
        }
        pipe.query(connection).unwrap()
    }

    /// The script and the draft answer alike: they do the same work.
    pub fn agrees_with(&self, draft: &Draft) {
        let (mut connection, town) = (self.connect(), Town::new(5));
        let mut random = Random::new(11);
        let (mut at_ms, mut refused) = (START.unix_ms(), 0);
        let mut last: Option<Payment> = None;
        for nth in 0..500 {
            let mut next = town.payment(random.below(5), &mut random);
            if let Some(last) = last.filter(|_| nth % 7 == 3) {
                next = Payment {
                    payment_id: next.payment_id,
                    ..last
                };
            }
            // Seconds to a quarter of an hour apart.
            at_ms += i64::try_from(1_000 + random.below(900_000) / (1 + random.below(30))).unwrap();
            let answer = draft.score(&next, at_ms);
            assert_eq!(
                self.ask(&mut connection, std::slice::from_ref(&next), at_ms),
                [answer],
                "{nth}"
            );
            refused += answer[0];
            last = Some(next);
        }
        assert!(refused > 20, "{refused}");
    }
}

/// A client that sends at once, as a good rival's does: by itself it would wait for more to send.
pub fn client(url: &str) -> redis::Client {
    let at_once = TcpSettings::default().set_nodelay(true);
    let server = url.into_connection_info().unwrap();
    redis::Client::open(server.set_tcp_settings(at_once)).unwrap()
}

/// An account that `load` pays from.
fn loaded_account(number: u64) -> AccountId {
    AccountId::new(format!("account-{number:010}")).unwrap()
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
