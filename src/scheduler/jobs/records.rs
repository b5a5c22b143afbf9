//! The records of jobs, shared by those that say nothing but what to call and where.
//!
//! Ground rules: everything here runs attached to Python. `known` is locked for one look-up and for one insertion, not
//! while a function is looked at, which may call Python code; nothing of Python is dropped under it. A function's address
//! means something only while a job has the record, which keeps the function alive: hence the `Weak`s, and the
//! comparison with the record's own function.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::call::Call;
use super::spec::Given;
use crate::job::fields::{Field, Fields};
use crate::job::function::{Function, ReadFrom};
use crate::job::record::{FuncRef, Record, Route, executor_number};
use crate::py::once::intern;
use crate::py::text;
use crate::time::zone::TimeZone;

/// The most records that are known at once.
const MOST_KNOWN: usize = 256;

/// Records by the address of their function, for those that say nothing but what to call and where.
///
/// A record that no job has any more is gone, and with it what its address meant.
#[derive(Default)]
pub struct Records {
    known: Mutex<HashMap<usize, Remembered>>,
}

struct Remembered {
    record: Weak<Record>,
    route: u32,
    /// The call that has looked at the function.
    call: u64,
    read_from: Option<Arc<ReadFrom>>,
}

impl Records {
    /// The record of a job, and where its runs go; `None` where Python must add the job (see `Spec::new`).
    pub fn get(
        &self,
        call: &Call<'_, '_>,
        func: &Bound<'_, PyAny>,
        given: &Given<'_, '_>,
        zone: Option<Arc<TimeZone>>,
        trigger: Option<Py<PyAny>>,
    ) -> PyResult<Option<(Arc<Record>, u32)>> {
        let py = call.py;
        let executor = match given.get(Field::executor) {
            None => None,
            Some(alias) => Fields::checked(Field::executor, alias)?.executor,
        };
        let executor = executor.map_or_else(|| intern!(py, "default").clone(), |alias| alias.into_bound(py));
        let args = match given.something(Field::args) {
            None => None,
            Some(args) => match (args.cast_exact::<PyTuple>(), args.cast_exact::<PyList>()) {
                (Ok(args), _) => Some(args.clone()),
                (_, Ok(args)) => Some(args.to_tuple()),
                _ => return Ok(None),
            },
        };
        let args = args.filter(|args| !args.is_empty());
        let (name, kwargs) = (given.something(Field::name), given.something(Field::kwargs));
        let is_plain =
            args.is_none() && kwargs.is_none() && name.is_none() && trigger.is_none() && zone.is_some();
        let address = func.as_ptr() as usize;
        let mut known = None;
        if is_plain {
            known = self.known(address).filter(|(record, ..)| {
                let same_zone = matches!((&record.zone, &zone), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
                record.func.is(func) && record.executor.is(&executor) && same_zone
            });
        }
        if let Some((record, route, looked_at, read_from)) = &known {
            let holds = || read_from.as_ref().map_or(Ok(false), |read_from| read_from.is_of(func));
            if *looked_at == call.number || holds()? {
                return Ok(Some((Arc::clone(record), *route)));
            }
        }
        let kwargs = match kwargs.map(|kwargs| kwargs.cast_exact::<PyDict>()) {
            None => None,
            Some(Ok(kwargs)) => Some(kwargs.copy()?),
            Some(Err(_)) => return Ok(None),
        };
        let args = args.unwrap_or_else(|| PyTuple::empty(py));
        let Some(function) = Function::of(func, &args, kwargs.as_ref())? else { return Ok(None) };
        let read_from = function.read_from.map(Arc::new);
        if let Some((record, route, ..)) = known {
            // A function can be given another code and another name.
            if record.name.is(&function.name) && Route::unpack(route).coroutine == function.coroutine {
                self.remember(address, &record, route, call, read_from);
                return Ok(Some((record, route)));
            }
        }
        let name = match name {
            None => None,
            Some(name) => Fields::checked(Field::name, name)?.name,
        };
        let name = name.map_or(function.name, |name| name.into_bound(py));
        let route = Route { executor: executor_number(&text::of(&executor)?), coroutine: function.coroutine };
        let record = Arc::new(Record {
            func: func.clone().unbind(),
            func_ref: FuncRef::Derived,
            args: args.into_any().unbind(),
            kwargs: kwargs.map(|kwargs| kwargs.into_any().unbind()),
            name: name.unbind(),
            executor: executor.unbind(),
            trigger,
            context: None,
            zone,
        });
        if is_plain {
            self.remember(address, &record, route.pack(), call, read_from);
        }
        Ok(Some((record, route.pack())))
    }

    /// What is known of the function at this address: a record, where the runs go, who has looked at it, and at what.
    #[expect(clippy::type_complexity, reason = "taken apart at once")]
    fn known(&self, address: usize) -> Option<(Arc<Record>, u32, u64, Option<Arc<ReadFrom>>)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&address)?;
        Some((known.record.upgrade()?, known.route, known.call, known.read_from.clone()))
    }

    fn remember(
        &self,
        address: usize,
        record: &Arc<Record>,
        route: u32,
        call: &Call<'_, '_>,
        read_from: Option<Arc<ReadFrom>>,
    ) {
        let new = Remembered { record: Arc::downgrade(record), route, call: call.number, read_from };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = known.len() >= MOST_KNOWN && !known.contains_key(&address);
        let old = if is_full { std::mem::take(&mut *known) } else { HashMap::new() };
        let replaced = known.insert(address, new);
        drop(known);
        drop((old, replaced));
    }
}
