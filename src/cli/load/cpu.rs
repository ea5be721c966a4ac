//! The processor time of another process, over all of its threads.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// What the process `pid` has used so far; none where the system does not tell (it is not Linux, or
/// keeps no scheduler statistics). Threads that have ended are no longer counted.
pub(super) fn used_by(pid: u32) -> Option<Duration> {
    used_in(&Path::new("/proc").join(pid.to_string()).join("task"))
}

/// Whether the system tells what processes use, and has none that is called so. One that has just begun has used
/// nothing yet that is told.
pub(super) fn is_missing(pid: u32) -> bool {
    let processes = Path::new("/proc");
    processes.join("self/schedstat").exists() && !processes.join(pid.to_string()).exists()
}

fn used_in(tasks: &Path) -> Option<Duration> {
    let mut used = Duration::ZERO;
    for task in fs::read_dir(tasks).ok()? {
        // A thread may end while we look.
        let Ok(statistics) = fs::read_to_string(task.ok()?.path().join("schedstat")) else {
            continue;
        };
        let running_ns = statistics.split(' ').next()?.parse().ok()?;
        used += Duration::from_nanos(running_ns);
    }
    (used > Duration::ZERO).then_some(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_used_nothing_that_is_known() {
        assert_eq!(used_in(Path::new("/no/such/process")), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_this_process_uses_grows() {
        let Some(before) = used_by(std::process::id()) else {
            // A kernel without scheduler statistics.
            return;
        };
        let mut sum = 0_u64;
        while used_by(std::process::id()).is_some_and(|now| now < before + Duration::from_millis(5))
        {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(used_by(std::process::id()) > Some(before));
    }
}
