//! Which runs a scheduler in virtual time has made, for tests to look at.
//!
//! A year of five million runs must fit: a run takes 24 bytes, and a Python object only for what it returned
//! (other than `None`) or raised.
//!
//! Ground rules: the lock is held for the length of one push or a copy; nothing of Python is dropped under it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mainspring_core::UtcMicros;
use mainspring_core::job::JobId;
use pyo3::prelude::*;

use crate::dispatch::run::Outcome;
use crate::dispatch::watch::{Logbook, Watch, Watched};
use crate::py::text;

const RUNNING: u32 = 0;
const EXECUTED: u32 = 1;
const MISSED: u32 = 2;
const SKIPPED: u32 = 3;
/// From here on an outcome is this plus an index into [`Log::details`].
const DETAILS: u32 = 4;

/// One run as the log keeps it.
#[derive(Clone, Copy)]
struct Entry {
    scheduled: UtcMicros,
    started: UtcMicros,
    job: u32,
    outcome: u32,
}

enum Detail {
    Returned(Py<PyAny>),
    Raised(Py<PyAny>),
}

#[derive(Default)]
struct Log {
    ids: Vec<JobId>,
    jobs: HashMap<JobId, u32>,
    entries: Vec<Entry>,
    details: Vec<Detail>,
}

/// The runs of one scheduler, in the order in which they started.
#[derive(Default)]
pub struct RunLog(Mutex<Log>);

impl RunLog {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, id: &JobId, scheduled: UtcMicros, started: UtcMicros, outcome: u32) -> usize {
        let mut log = self.lock();
        let job = match log.jobs.get(id) {
            Some(&job) => job,
            None => {
                let job = log.ids.len() as u32;
                log.ids.push(JobId::clone(id));
                log.jobs.insert(JobId::clone(id), job);
                job
            }
        };
        log.entries.push(Entry { scheduled, started, job, outcome });
        log.entries.len() - 1
    }

    fn end(&self, run: usize, detail: Option<Detail>) {
        let mut log = self.lock();
        let outcome = match detail {
            None => EXECUTED,
            Some(detail) => {
                log.details.push(detail);
                DETAILS + (log.details.len() - 1) as u32
            }
        };
        if let Some(entry) = log.entries.get_mut(run) {
            entry.outcome = outcome;
        }
    }
}

impl Watch for RunLog {
    fn started(&self, id: &JobId, scheduled: UtcMicros, now: UtcMicros) -> Option<Watched> {
        Some(Watched(self.push(id, scheduled, now, RUNNING)))
    }

    fn missed(&self, id: &JobId, scheduled: UtcMicros, now: UtcMicros) {
        self.push(id, scheduled, now, MISSED);
    }

    fn skipped(&self, id: &JobId, scheduled: UtcMicros, now: UtcMicros) {
        self.push(id, scheduled, now, SKIPPED);
    }

    fn ended(&self, py: Python<'_>, run: Watched, outcome: &Outcome<'_>) {
        let detail = match outcome {
            Outcome::Missed(_) => return,
            Outcome::Returned(value) if value.is_none() => None,
            Outcome::Returned(value) => Some(Detail::Returned(value.clone().unbind())),
            Outcome::Raised(error) => Some(Detail::Raised(error.clone_ref(py).into_value(py).into_any())),
        };
        self.end(run.0, detail);
    }

    fn note(&self, id: &JobId, at: UtcMicros, now: UtcMicros, outcome: &str, value: Bound<'_, PyAny>) {
        match outcome {
            "missed" => self.missed(id, at, now),
            "skipped" => self.skipped(id, at, now),
            "error" => self.end(self.push(id, at, now, RUNNING), Some(Detail::Raised(value.unbind()))),
            _ if value.is_none() => self.end(self.push(id, at, now, RUNNING), None),
            _ => self.end(self.push(id, at, now, RUNNING), Some(Detail::Returned(value.unbind()))),
        }
    }

    fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn read<'py>(&self, py: Python<'py>, job_id: Option<&str>, first: usize) -> Logbook<'py> {
        let log = self.lock();
        let job = match job_id.map(|id| log.jobs.get(id)) {
            Some(None) => return Vec::new(),
            Some(Some(&job)) => Some(job),
            None => None,
        };
        let entries = log.entries.iter().enumerate().skip(first);
        let wanted = entries.filter(|(_, entry)| job.is_none_or(|job| entry.job == job));
        wanted
            .map(|(index, entry)| {
                let detail = entry.outcome.checked_sub(DETAILS).and_then(|i| log.details.get(i as usize));
                let (outcome, value) = match (entry.outcome, detail) {
                    (_, Some(Detail::Returned(value))) => ("executed", Some(value)),
                    (_, Some(Detail::Raised(error))) => ("error", Some(error)),
                    (EXECUTED, _) => ("executed", None),
                    (MISSED, _) => ("missed", None),
                    (SKIPPED, _) => ("skipped", None),
                    _ => ("running", None),
                };
                let id = text::string(py, log.ids.get(entry.job as usize).map_or("", |id| id));
                let value = value.map(|value| value.bind(py).clone());
                (index, id, entry.scheduled.get(), entry.started.get(), outcome, value)
            })
            .collect()
    }
}
