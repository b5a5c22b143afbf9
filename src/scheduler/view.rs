//! What there is to see of a scheduler, as plain values: for a program that shows it, and changes nothing.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::dispatch::ends::Counts;
use crate::job::seen::Seen;
use crate::py::once::intern;
use crate::py::text;
use crate::run::report::code;
use crate::scheduler::engine::Engine;
use crate::store::listing::Listing;

#[pymethods]
impl Engine {
    /// How many run times have ended how since the scheduler was made, and how many runs are queued or under way.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Counts { executed, failed, missed, skipped } = self.hub().ends.read();
        let counts = PyDict::new(py);
        counts.set_item(intern!(py, "executed"), executed)?;
        counts.set_item(intern!(py, "failed"), failed)?;
        counts.set_item(intern!(py, "missed"), missed)?;
        counts.set_item(intern!(py, "skipped"), skipped)?;
        counts.set_item(intern!(py, "running"), self.hub().runs.count())?;
        Ok(counts)
    }

    /// Counts the runs that executors written in Python have made, by the events that tell of them.
    fn count(&self, events: &Bound<'_, PyAny>) -> PyResult<()> {
        let ends = &self.hub().ends;
        for event in events.try_iter()? {
            let event = event?;
            match event.getattr(intern!(event.py(), "code"))?.extract()? {
                code::JOB_EXECUTED => ends.executed(),
                code::JOB_ERROR => ends.failed(),
                code::JOB_MISSED => ends.missed(),
                code::JOB_MAX_INSTANCES => {
                    ends.skipped(event.getattr(intern!(event.py(), "scheduled_run_times"))?.len()?);
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// The jobs of the native stores, each store as it was at one moment: alias of the store, id, name, alias of the
    /// executor, next fire time in microseconds since the epoch or `None`.
    fn jobs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let jobs = PyList::empty(py);
        for (alias, store) in self.native_stores(py) {
            let alias = PyString::new(py, &alias);
            Listing::of_all(store.get().shared()).each(|_, Seen { id, record, next, .. }| {
                let next = next.map(|next| next.get());
                jobs.append((&alias, text::string(py, &id), &record.name, &record.executor, next))
            })?;
        }
        Ok(jobs)
    }
}
