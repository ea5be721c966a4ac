//! What the process takes from the machine, under the names that exporters in every language use. Linux
//! tells it in files; elsewhere these metrics have no samples.

use std::fs;

use super::families::{CPU, MAX_FDS, OPEN_FDS, RESIDENT, STARTED, VIRTUAL};
use super::page::{Family, Page};
use crate::scoring::time::Timestamp;

/// In what units Linux tells processor time, whatever it counts in itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// This process.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// When it started.
    pub started: Timestamp,
}

impl Process {
    /// Puts its metrics on a page.
    pub fn put_on(self, page: &mut Page) {
        let read = |name: &str| fs::read_to_string(name).unwrap_or_default();
        let status = read("/proc/self/status");
        // One of them is the folder that is being read.
        let open_fds = fs::read_dir("/proc/self/fd").ok();
        let open_fds = open_fds.map(|files| files.count().saturating_sub(1) as f64);
        page.one(&STARTED, self.started.unix_ms() as f64 / 1e3);
        put_known(page, &CPU, cpu_seconds(&read("/proc/self/stat")));
        put_known(page, &RESIDENT, bytes_of(&status, "VmRSS:"));
        put_known(page, &VIRTUAL, bytes_of(&status, "VmSize:"));
        put_known(page, &OPEN_FDS, open_fds);
        put_known(page, &MAX_FDS, max_fds(&read("/proc/self/limits")));
    }
}

fn put_known(page: &mut Page, family: &Family, value: Option<f64>) {
    let mut samples = page.family(family);
    if let Some(value) = value {
        samples.put(&[], value);
    }
}

/// In user mode and in the kernel: the 14th and 15th field, of which the second, a name in brackets, may
/// hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, from_third) = stat.rsplit_once(") ")?;
    let mut ticks = from_third.split(' ').skip(11).map(str::parse::<f64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn bytes_of(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024.0)
}

/// The limit that holds; the other one is up to where the process may raise it.
fn max_fds(limits: &str) -> Option<f64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 3 0 0 0 250 51 0 0 20 0 9 0 12 900 200\n";
        assert_eq!(cpu_seconds(stat), Some(3.01));
        let status = "Name:\tdoublecheck\nVmSize:\t  123456 kB\nVmRSS:\t     789 kB\n";
        assert_eq!(bytes_of(status, "VmRSS:"), Some(789.0 * 1_024.0));
        let limits = |soft: &str| {
            format!("Limit\nMax open files            {soft}    524288   files     \n")
        };
        assert_eq!(max_fds(&limits("1024")), Some(1_024.0));
        assert_eq!(max_fds(&limits("unlimited")), Some(f64::INFINITY));
    }

    #[test]
    fn what_is_not_told_is_not_known() {
        for told in [
            "",
            "7 (doublecheck",
            "VmRSS:\tmany kB\n",
            "Max open files\n",
        ] {
            assert_eq!(cpu_seconds(told), None);
            assert_eq!(bytes_of(told, "VmRSS:"), None);
            assert_eq!(max_fds(told), None);
        }
    }
}
