//! `journal inspect`: what is in there.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{Ended, Failure, show};
use super::covered::Covered;
use super::{look_until_whole, open, snapshot, time, told};
use crate::journal::event::EventKind;
use crate::journal::{Damage, SegmentSummary, Tail};
use crate::scoring::time::Timestamp;

/// What was found in a journal.
#[derive(Debug)]
struct Found {
    segments: Vec<SegmentSummary>,
    /// The first and the last time in each segment.
    times: BTreeMap<usize, (Timestamp, Timestamp)>,
    kinds: BTreeMap<EventKind, u64>,
    next: u64,
    tail: Tail,
    /// Where the journal is damaged and a start from the newest snapshot does not notice.
    covered: Option<Covered>,
    snapshots: snapshot::Found,
}

pub(super) fn run(directory: &Path, as_json: bool, out: &mut dyn Write) -> Ended {
    let is_whole = |found: &Result<Found, _>| found.as_ref().is_ok_and(Found::is_whole);
    let found = look_until_whole(directory, || look(directory), is_whole)?;
    if as_json {
        serde_json::to_writer_pretty(&mut *out, &found.to_json()).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        found.write(out)?;
    }
    Ok(())
}

fn look(directory: &Path) -> Result<Found, Failure> {
    let mut reader = open(directory)?.setting_damage_aside();
    let mut times = BTreeMap::new();
    let mut kinds: BTreeMap<EventKind, u64> = BTreeMap::new();
    while let Some(event) = reader.next() {
        let (_, event) = event.map_err(|fault| Failure::at_work(directory.display(), &fault))?;
        let time = event.time();
        let nth = reader.segments().len() - 1;
        let (from, to) = times.entry(nth).or_insert((time, time));
        *from = time.min(*from);
        *to = time.max(*to);
        *kinds.entry(event.kind()).or_default() += 1;
    }
    let ending = reader.ending();
    let next = ending.as_ref().map_or(1, |ending| ending.next);
    let tail = ending.map_or(Tail::Open, |ending| ending.tail);
    let snapshots = snapshot::look(directory)?;
    let newest = snapshots.iter().find_map(|(_, read)| read.as_ref().ok());
    let covered = match (&tail, newest) {
        // Whatever a start would stop at instead, the damage is what was found.
        (Tail::SetAside(damage), Some(newest)) => {
            Covered::by(newest, damage.clone(), directory).ok()
        }
        (_, _) => None,
    };
    Ok(Found {
        segments: reader.segments().to_vec(),
        times,
        kinds,
        next: covered.as_ref().map_or(next, |covered| covered.ending.next),
        tail,
        covered,
        snapshots,
    })
}

impl Found {
    fn is_whole(&self) -> bool {
        let mut snapshots = self.snapshots.iter();
        !matches!(self.tail, Tail::SetAside(_)) && snapshots.all(|(_, read)| read.is_ok())
    }

    fn write(&self, out: &mut dyn Write) -> Ended {
        let head = [
            "SEGMENT", "FIRST", "RECORDS", "WRITES", "BYTES", "CLOSED", "FROM", "TO",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (nth, segment) in self.segments.iter().enumerate() {
            let times = self.times.get(&nth);
            let (from, to) =
                times.map_or_else(Default::default, |(from, to)| (time(*from), time(*to)));
            rows.push(vec![
                segment.file.clone(),
                segment.first.to_string(),
                segment.records.to_string(),
                segment.frames.to_string(),
                segment.bytes.to_string(),
                if segment.closed { "yes" } else { "no" }.to_owned(),
                from,
                to,
            ]);
        }
        show::table(out, &rows)?;
        writeln!(out)?;
        let count = |kind: &EventKind| self.kinds.get(kind).copied().unwrap_or(0);
        let mut rows: Vec<_> = EventKind::ALL
            .iter()
            .map(|kind| vec![kind.name().to_owned(), count(kind).to_string()])
            .collect();
        rows.push(vec!["next record".to_owned(), self.next.to_string()]);
        rows.push(vec!["tail".to_owned(), self.told()]);
        show::table(out, &rows)?;
        snapshot::write(&self.snapshots, out)
    }

    fn told(&self) -> String {
        let covered = self.covered.as_ref().map(ToString::to_string);
        covered.unwrap_or_else(|| told(&self.tail))
    }

    fn to_json(&self) -> Value {
        let segments = self.segments.iter().enumerate().map(|(nth, segment)| {
            let times = self.times.get(&nth);
            json!({
                "file": segment.file,
                "first": segment.first,
                "records": segment.records,
                "writes": segment.frames,
                "bytes": segment.bytes,
                "closed": segment.closed,
                "from_time": times.map(|(from, _)| time(*from)),
                "to_time": times.map(|(_, to)| time(*to)),
            })
        });
        let kinds = EventKind::ALL.iter().map(|kind| {
            let count = self.kinds.get(kind).copied().unwrap_or(0);
            (kind.name().to_owned(), json!(count))
        });
        json!({
            "segments": segments.collect::<Vec<_>>(),
            "events": kinds.collect::<serde_json::Map<_, _>>(),
            "next": self.next,
            "tail": self.tail_json(),
            "snapshots": snapshot::to_json(&self.snapshots),
        })
    }

    fn tail_json(&self) -> Value {
        match &self.tail {
            Tail::Closed => json!({ "state": "closed" }),
            Tail::Open => json!({ "state": "open" }),
            Tail::Torn {
                file,
                offset,
                bytes,
                readable_behind,
            } => json!({
                "state": "torn",
                "file": file,
                "offset": offset,
                "bytes": bytes,
                "readable_behind": readable_behind,
            }),
            Tail::SetAside(Damage {
                file,
                offset,
                kind: _,
                lost_from,
                lost_to,
                readable_behind,
            }) => {
                let lost_from = self.covered.is_none().then_some(lost_from);
                let covered_by = self.covered.as_ref().map(|covered| &covered.snapshot);
                json!({
                    "state": "damaged",
                    "file": file,
                    "offset": offset,
                    "covered_by": covered_by,
                    "lost_from": lost_from,
                    "lost_to": lost_from.and(*lost_to),
                    "readable_behind": readable_behind,
                    "message": self.told(),
                })
            }
        }
    }
}
