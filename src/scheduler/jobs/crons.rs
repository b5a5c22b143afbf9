//! Cron triggers that were made from the same text, which are one and the same in memory.
//!
//! Ground rules: everything here runs attached to Python. `known` is locked for one look-up and for one insertion, not
//! while a trigger is made or asked for its first fire time, which may call a time zone in Python. So two threads may make
//! a trigger of the same text; the later one is known from then on. Only `Weak`s are dropped under the lock, no trigger.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;
use mainspring_core::UtcMicros;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use super::call::Call;
use super::spec::Argument;
use crate::py::text;

/// How many there are before those that no job has any more are first looked for.
const LEAST_LOOKED_AT: usize = 64;

/// What stands before a number of eight bytes in a key, before a text, and after it.
const NUMBER: u8 = b'#';
const TEXT: u8 = b'=';
const END: u8 = 0;

/// The cron triggers of one time zone that are in use.
#[derive(Default)]
pub struct Crons {
    known: Mutex<InUse>,
}

#[derive(Default)]
struct InUse {
    triggers: HashMap<Vec<u8>, Cron>,
    /// How many there may be before those that no job has any more are removed.
    limit: usize,
}

struct Cron {
    trigger: Weak<Trigger>,
    first: First,
}

/// The first fire time from one moment on.
#[derive(Clone, Copy)]
struct First {
    since: UtcMicros,
    at: UtcMicros,
}

impl First {
    /// The first fire time not before `now`, where it is the same.
    fn from(self, now: UtcMicros) -> Option<UtcMicros> {
        (self.since..=self.at).contains(&now).then_some(self.at)
    }
}

impl Crons {
    /// The trigger of the given fields, made by `make` if it is not known, and its first fire time after now;
    /// `None` if they are not only fields, or if that is for others to find out.
    ///
    /// The zone must always be the same.
    pub fn get(
        &self,
        call: &mut Call<'_, '_>,
        fields: &[Argument<'_>],
        make: impl FnOnce() -> PyResult<Arc<Trigger>>,
    ) -> PyResult<Option<(Arc<Trigger>, Option<UtcMicros>)>> {
        if !write_key(&mut call.key, fields)? {
            return Ok(None);
        }
        let now = call.now()?;
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.triggers.get(&call.key).and_then(|cron| Some((cron.trigger.upgrade()?, cron.first)))
        };
        if let Some((trigger, first)) = &known {
            if let Some(first) = now.and_then(|now| first.from(now)) {
                return Ok(Some((Arc::clone(trigger), Some(first))));
            }
        }
        let trigger = match known {
            Some((trigger, _)) => trigger,
            None => make()?,
        };
        let next = call.next(&trigger, None)?.flatten();
        let (Some(since), Some(at)) = (now, next) else { return Ok(Some((trigger, next))) };
        let cron = Cron { trigger: Arc::downgrade(&trigger), first: First { since, at } };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.triggers.len() >= known.limit.max(LEAST_LOOKED_AT) {
            known.triggers.retain(|_, cron| cron.trigger.strong_count() > 0);
            known.limit = 2 * known.triggers.len();
        }
        match known.triggers.get_mut(&call.key) {
            Some(known) => *known = cron,
            None => drop(known.triggers.insert(call.key.clone(), cron)),
        }
        Ok(Some((trigger, next)))
    }
}

/// Writes what is the same for equal fields in the same order; false if they are not only fields.
fn write_key(key: &mut Vec<u8>, fields: &[Argument<'_>]) -> PyResult<bool> {
    key.clear();
    for (name, value) in fields {
        let name = text::of(name)?;
        if !matches!(&*name, "year" | "month" | "day" | "week" | "day_of_week" | "hour" | "minute" | "second")
        {
            return Ok(false);
        }
        key.extend_from_slice(name.as_bytes());
        if let Ok(text) = value.cast_exact::<PyString>() {
            let text = text::of(text)?;
            let text = text.as_bytes();
            if text.contains(&END) {
                return Ok(false);
            }
            key.push(TEXT);
            key.extend_from_slice(text);
            key.push(END);
        } else if value.is_exact_instance_of::<PyInt>() {
            let number: i64 = value.extract()?;
            key.push(NUMBER);
            key.extend_from_slice(&number.to_ne_bytes());
        } else {
            return Ok(false);
        }
    }
    Ok(true)
}
