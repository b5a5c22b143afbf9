//! Cron triggers that were made from the same text, which are one and the same in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use super::spec::Argument;

/// How many there are before those that nobody uses any more are first looked for.
const LEAST_LOOKED_AT: usize = 64;

/// What ends a value in a key.
const END: char = '\0';

/// The cron triggers of one time zone that are in use.
#[derive(Default)]
pub struct Crons {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    triggers: HashMap<String, Weak<Trigger>>,
    /// How many there may be before those that nobody uses any more are removed.
    limit: usize,
}

impl Crons {
    /// The trigger of the given fields, made by `make` if it is not known; `None` if they are not only fields.
    ///
    /// The zone must always be the same.
    pub fn get(
        &self,
        fields: &[Argument<'_>],
        make: impl FnOnce() -> PyResult<Option<Arc<Trigger>>>,
    ) -> PyResult<Option<Arc<Trigger>>> {
        let Some(key) = key(fields)? else { return Ok(None) };
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.triggers.get(&key).and_then(Weak::upgrade)
        };
        if known.is_some() {
            return Ok(known);
        }
        let Some(made) = make()? else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.triggers.len() >= known.limit.max(LEAST_LOOKED_AT) {
            known.triggers.retain(|_, trigger| trigger.strong_count() > 0);
            known.limit = 2 * known.triggers.len();
        }
        known.triggers.insert(key, Arc::downgrade(&made));
        Ok(Some(made))
    }
}

/// A text that is the same for equal fields in the same order.
fn key(fields: &[Argument<'_>]) -> PyResult<Option<String>> {
    let mut key = String::with_capacity(48);
    for (name, value) in fields {
        let name = name.to_str()?;
        if !matches!(name, "year" | "month" | "day" | "week" | "day_of_week" | "hour" | "minute" | "second") {
            return Ok(None);
        }
        key.push_str(name);
        key.push('=');
        if let Ok(text) = value.cast_exact::<PyString>() {
            let text = text.to_str()?;
            if text.contains(END) {
                return Ok(None);
            }
            key.push_str(text);
        } else if value.is_exact_instance_of::<PyInt>() {
            let number: i64 = value.extract()?;
            key.push_str(&number.to_string());
        } else {
            return Ok(None);
        }
        key.push(END);
    }
    Ok(Some(key))
}
