//! How much memory this process is allowed: by its cgroup and those around it, or by the machine.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// How much memory is allowed, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Allowance {
    pub(super) bytes: u64,
    pub(super) by: By,
}

/// Who allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Machine,
    Cgroup,
}

impl Allowance {
    /// The least that anybody allows; `None` where nobody says, as outside Linux.
    pub(super) fn of_this_process() -> Option<Self> {
        least(|path| fs::read_to_string(path).ok())
    }
}

/// The least that the machine and the cgroups allow, as the files that `read` reads tell it. A version 1
/// cgroup without a limit says a number beyond any machine, a version 2 one says `max`.
fn least(read: impl Fn(&Path) -> Option<String>) -> Option<Allowance> {
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let by_cgroup = limit_files(&groups)
        .filter_map(|file| read(&file)?.trim().parse().ok())
        .map(|bytes| Allowance {
            bytes,
            by: By::Cgroup,
        });
    let machine = read(Path::new("/proc/meminfo")).and_then(|meminfo| total_bytes(&meminfo));
    let by_machine = machine.map(|bytes| Allowance {
        bytes,
        by: By::Machine,
    });
    by_cgroup.chain(by_machine).min()
}

/// The files that tell the limits of the groups named in `/proc/self/cgroup`, and of those around them.
fn limit_files(groups: &str) -> impl Iterator<Item = PathBuf> {
    groups.lines().flat_map(|line| {
        // `4:memory:/path` in version 1, `0::/path` in version 2.
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next().unwrap_or_default();
        let group = fields.next().unwrap_or_default().trim_start_matches('/');
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let group = Path::new(root).join(group);
        let around = group.ancestors().filter(|group| group.starts_with(root));
        around.map(|group| group.join(file)).collect()
    })
}

/// The memory of the machine, as `/proc/meminfo` tells it.
fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "the machine",
            Self::Cgroup => "the cgroup",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: (&str, &str) = (
        "/proc/meminfo",
        "MemTotal:       16384000 kB\nMemFree:         1234 kB\n",
    );
    const MACHINE: Option<Allowance> = Some(Allowance {
        bytes: 16_384_000 * 1_024,
        by: By::Machine,
    });

    fn told_by(files: &[(&str, &str)]) -> Option<Allowance> {
        least(|path| {
            let found = files.iter().find(|(known, _)| Path::new(known) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    const fn cgroup(bytes: u64) -> Option<Allowance> {
        let by = By::Cgroup;
        Some(Allowance { bytes, by })
    }

    #[test]
    fn the_own_cgroup_and_those_around_it_count() {
        let own = (
            "/proc/self/cgroup",
            "0::/system.slice/doublecheck.service\n",
        );
        let of_own = "/sys/fs/cgroup/system.slice/doublecheck.service/memory.max";
        let around = "/sys/fs/cgroup/system.slice/memory.max";
        let told =
            |own_max, around_max| told_by(&[own, (of_own, own_max), (around, around_max), MEMINFO]);
        assert_eq!(told("536870912\n", "max\n"), cgroup(512 << 20));
        assert_eq!(told("max\n", "268435456\n"), cgroup(256 << 20));
        assert_eq!(told("536870912\n", "268435456\n"), cgroup(256 << 20));
        assert_eq!(told("max\n", "max\n"), MACHINE);
    }

    #[test]
    fn a_container_that_sees_its_group_as_the_root_is_held_to_it() {
        let root = ("/sys/fs/cgroup/memory.max", "1073741824\n");
        for group in ["0::/\n", "0::/docker/0123\n", "0::/../other\n"] {
            let told = told_by(&[("/proc/self/cgroup", group), root, MEMINFO]);
            assert_eq!(told, cgroup(1 << 30), "{group}");
        }
    }

    #[test]
    fn version_1_says_a_number_without_a_limit_too() {
        let own = (
            "/proc/self/cgroup",
            "5:devices:/\n4:cpu,memory:/a/b\n0::/\n",
        );
        let file = "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes";
        let told = |limit| told_by(&[own, (file, limit), MEMINFO]);
        assert_eq!(told("9223372036854771712\n"), MACHINE);
        assert_eq!(told("536870912\n"), cgroup(512 << 20));
    }

    #[test]
    fn where_nobody_says_nothing_is_known() {
        assert_eq!(told_by(&[]), None);
        assert_eq!(told_by(&[("/proc/meminfo", "MemTotal: much\n")]), None);
    }
}
