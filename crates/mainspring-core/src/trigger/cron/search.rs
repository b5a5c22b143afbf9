//! The next or previous instant at which the clock of a zone shows a time that matches all fields.
//!
//! The rule: a cron trigger fires at every instant at which the clock on the wall of its zone shows a time
//! that matches all fields. So a time that a gap skips does not fire (no clock ever shows it), and a time
//! that a fold repeats fires twice (clocks show it twice).
//!
//! For the gap this is what RFC 5545, section 3.3.10, asks of recurrence rules, what Quartz and
//! APScheduler's own `CalendarIntervalTrigger` do, and what APScheduler 4 came to
//! (agronholm/apscheduler, issue 1059); Vixie's cron runs such jobs right after the gap instead.
//! APScheduler 3.11 returns the time that does not exist. For the fold it is APScheduler 3.11's answer.

use super::sets::FieldSets;
use crate::error::Error;
use crate::time::{CivilMicros, MICROS_PER_SECOND, Resolution, UtcMicros, Zone};

/// How many matches in a row may lie in gaps before the search ends. The calendar repeats every 400 years,
/// and with it the changes of the clock: what they skip that long, such as 02:30 on the last Sunday of March
/// in Berlin, they always skip.
const MAX_GAPS: u32 = 400;

/// The first matching instant not before `from`.
pub(crate) fn next(sets: &FieldSets, zone: &Zone, mut from: UtcMicros) -> Result<Option<UtcMicros>, Error> {
    let offset = zone.offset_at(from)?;
    let mut civil = CivilMicros::saturating(from.get() + offset);
    if let Zone::Fixed(_) = zone {
        return Ok(sets.next(civil).and_then(|found| instant(found, offset)));
    }
    if let Resolution::Fold { before, after } = zone.resolve(civil)? {
        if offset == before {
            // The first showing of a stretch that comes again: look to its end, then begin at the repeat.
            let change = zone.change_at(civil, before, after)?;
            if let Some(found) = sets.next(civil).filter(|found| found.get() < change + before) {
                return Ok(instant(found, before));
            }
            let Some(change_at) = UtcMicros::new(change) else { return Ok(None) };
            (from, civil) = (change_at, CivilMicros::saturating(change + after));
        }
    }
    for _ in 0..MAX_GAPS {
        let Some(found) = sets.next(civil) else { return Ok(None) };
        let candidate = match zone.resolve(found)? {
            Resolution::Unique(offset) => instant(found, offset),
            Resolution::Fold { before, after } => {
                instant(found, before).filter(|t| *t >= from).or_else(|| instant(found, after))
            }
            Resolution::Gap { before, after } => {
                let end = zone.change_at(found, before, after)? + after;
                civil = CivilMicros::saturating(end.max(found.get() + MICROS_PER_SECOND));
                continue;
            }
        };
        match candidate {
            // Only a host zone that contradicts itself gets here.
            Some(early) if early < from => {
                let missing = from.micros_since(early).max(MICROS_PER_SECOND);
                civil = CivilMicros::saturating(found.get() + missing);
            }
            found => return Ok(found),
        }
    }
    Ok(None)
}

/// The last matching instant not after `until`.
pub(crate) fn previous(
    sets: &FieldSets,
    zone: &Zone,
    mut until: UtcMicros,
) -> Result<Option<UtcMicros>, Error> {
    let offset = zone.offset_at(until)?;
    let mut civil = CivilMicros::saturating(until.get() + offset);
    if let Zone::Fixed(_) = zone {
        return Ok(sets.previous(civil).and_then(|found| instant(found, offset)));
    }
    if let Resolution::Fold { before, after } = zone.resolve(civil)? {
        if offset == after {
            // The second showing of a stretch: look back to its begin, then go on from the end of the first.
            let change = zone.change_at(civil, before, after)?;
            if let Some(found) = sets.previous(civil).filter(|found| found.get() >= change + after) {
                return Ok(instant(found, after));
            }
            let Some(end) = UtcMicros::new(change - 1) else { return Ok(None) };
            (until, civil) = (end, CivilMicros::saturating(end.get() + before));
        }
    }
    for _ in 0..MAX_GAPS {
        let Some(found) = sets.previous(civil) else { return Ok(None) };
        let candidate = match zone.resolve(found)? {
            Resolution::Unique(offset) => instant(found, offset),
            Resolution::Fold { before, after } => {
                instant(found, after).filter(|t| *t <= until).or_else(|| instant(found, before))
            }
            Resolution::Gap { before, after } => {
                let begin = zone.change_at(found, before, after)? + before;
                civil = CivilMicros::saturating((begin - 1).min(found.get() - MICROS_PER_SECOND));
                continue;
            }
        };
        match candidate {
            // Only a host zone that contradicts itself gets here.
            Some(late) if late > until => {
                let excess = late.micros_since(until).max(MICROS_PER_SECOND);
                civil = CivilMicros::saturating(found.get() - excess);
            }
            found => return Ok(found),
        }
    }
    Ok(None)
}

fn instant(civil: CivilMicros, offset: i64) -> Option<UtcMicros> {
    UtcMicros::new(civil.get() - offset)
}
