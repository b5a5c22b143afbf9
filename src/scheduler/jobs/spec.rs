//! From the arguments of `add_job` to what a native store takes in.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;
use mainspring_core::UtcMicros;
use mainspring_core::store::NewJob;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};

use super::call::{Call, Kind};
use super::{ids, trigger};
use crate::job::fields::{Field, Fields, Place};
use crate::job::function::Function;
use crate::job::record::{FuncRef, Record, Route, executor_number};
use crate::py::imports;
use crate::py::once::intern;
use crate::py::text;
use crate::time::datetime::{instant, is_datetime};
use crate::time::zone::TimeZone;
use crate::trigger::{BaseTrigger, CronTrigger, IntervalTrigger};

/// The most records that are known at once.
const MOST_KNOWN: usize = 256;

/// The arguments of `add_job`; `None` for one that is left out.
#[derive(Default)]
pub struct Given<'a, 'py> {
    fields: [Option<Borrowed<'a, 'py, PyAny>>; Field::COUNT],
    jobstore: Option<Borrowed<'a, 'py, PyAny>>,
    /// Those of the trigger.
    trigger: Vec<Argument<'py>>,
}

/// A keyword argument of a trigger.
pub type Argument<'py> = (Bound<'py, PyString>, Bound<'py, PyAny>);

/// A job to be added, and the alias of its store.
pub struct Spec<'py> {
    pub job: NewJob<Arc<Record>>,
    pub jobstore: Bound<'py, PyString>,
}

/// Records by the address of their function, for those that say nothing but what to call and where.
///
/// A record that no job has any more is gone, and with it what its address meant.
#[derive(Default)]
pub struct Records {
    known: Mutex<HashMap<usize, Known>>,
}

struct Known {
    record: Weak<Record>,
    route: u32,
    /// The call that has looked at the function.
    call: u64,
}

/// A trigger on its way into the store.
pub struct NewTrigger {
    pub core: Arc<Trigger>,
    /// The zone in which its fire times are shown; `None`: the scheduler's.
    pub zone: Option<Arc<TimeZone>>,
    /// Its object, unless that can be made of the two.
    pub object: Option<Py<PyAny>>,
    /// The first fire time after now, where it is known already.
    first: Option<UtcMicros>,
}

/// The names of these arguments in the order in which [`Given::of_tuple`] takes them.
pub fn names() -> Vec<&'static str> {
    fields().map(|field| field.name()).chain([JOBSTORE]).collect()
}

/// The fields that `add_job` is given.
fn fields() -> impl Iterator<Item = Field> {
    Field::ALL.into_iter().filter(|field| *field != Field::func_ref)
}

const JOBSTORE: &str = "jobstore";

impl<'a, 'py> Given<'a, 'py> {
    /// What is given in the order of [`names`], and for the trigger.
    pub fn of_tuple(given: &'a Bound<'py, PyTuple>, trigger: &Bound<'py, PyDict>) -> PyResult<Self> {
        let mut this = Self { trigger: arguments(trigger)?, ..Self::default() };
        let mut values = given.iter_borrowed();
        for (field, value) in fields().zip(&mut values) {
            this.fields[field as usize] = Some(value);
        }
        this.jobstore = values.next();
        Ok(this)
    }

    fn get(&self, field: Field) -> Option<&Bound<'py, PyAny>> {
        self.fields[field as usize].as_deref()
    }

    /// What is given that is not `None`.
    fn something(&self, field: Field) -> Option<&Bound<'py, PyAny>> {
        something(self.get(field))
    }
}

impl<'py> Spec<'py> {
    /// What is to be added; `None` where an argument is out of the ordinary.
    pub fn new(call: &mut Call<'_, 'py>, given: &Given<'_, 'py>) -> PyResult<Option<Self>> {
        let py = call.py;
        let Some(func) = given.get(Field::func) else { return Ok(None) };
        let policy = Fields::checked_policy(call.open.defaults, |field| defined(given.get(field)))?;
        let id = match given.something(Field::id) {
            None => ids::new_id(py)?,
            Some(id) => match nonempty(id)? {
                Some(id) => text::of(id)?.into(),
                None => return Ok(None),
            },
        };
        if fields().any(|field| is_for_records_alone(field) && given.something(field).is_some()) {
            return Ok(None);
        }
        let jobstore = match given.jobstore.as_deref().map(|alias| alias.cast_exact::<PyString>()) {
            None => intern!(py, "default").clone(),
            Some(Ok(alias)) => alias.clone(),
            Some(Err(_)) => return Ok(None),
        };
        let Some(new) = NewTrigger::new(call, given.get(Field::trigger), &given.trigger)? else {
            return Ok(None);
        };
        let Some(next) = next(call, &new, given.get(Field::next_run_time))? else { return Ok(None) };
        let Some((record, route)) = call.open.records.get(call, func, given, new.zone, new.object)? else {
            return Ok(None);
        };
        let job = NewJob { id, trigger: new.core, policy, route, next, payload: record };
        Ok(Some(Self { job, jobstore }))
    }

    /// The same from a dictionary of arguments.
    pub fn from_dict(call: &mut Call<'_, 'py>, arguments: &Bound<'py, PyDict>) -> PyResult<Option<Self>> {
        let mut values: [Option<Bound<'py, PyAny>>; Field::COUNT] = Default::default();
        let mut jobstore = None;
        let mut trigger = std::mem::take(&mut call.arguments);
        for (name, value) in arguments {
            let name = name.cast_into::<PyString>()?;
            match &*text::of(&name)? {
                JOBSTORE => jobstore = Some(value),
                "replace_existing" if value.is_instance_of::<PyBool>() => (),
                "replace_existing" => return Ok(None),
                text => match Field::named(text).filter(|field| *field != Field::func_ref) {
                    Some(field) => values[field as usize] = Some(value),
                    None => trigger.push((name, value)),
                },
            }
        }
        let fields = values.each_ref().map(|value| value.as_ref().map(Bound::as_borrowed));
        let jobstore = jobstore.as_ref().map(Bound::as_borrowed);
        let mut given = Given { fields, jobstore, trigger };
        let spec = Self::new(call, &given);
        given.trigger.clear();
        call.arguments = given.trigger;
        spec
    }
}

/// Whether a job is told apart by this field from those that share a record.
fn is_for_records_alone(field: Field) -> bool {
    field.place() == Place::Record && !matches!(field, Field::name | Field::executor)
}

/// The keyword arguments in `arguments`.
pub fn arguments<'py>(arguments: &Bound<'py, PyDict>) -> PyResult<Vec<Argument<'py>>> {
    arguments.iter().map(|(name, value)| Ok((name.cast_into::<PyString>()?, value))).collect()
}

impl NewTrigger {
    /// The trigger that is given, or that an alias and arguments stand for.
    pub fn new<'py>(
        call: &mut Call<'_, 'py>,
        given: Option<&Bound<'py, PyAny>>,
        arguments: &[Argument<'py>],
    ) -> PyResult<Option<Self>> {
        let (py, open) = (call.py, call.open);
        if trigger::classes_are_patched() {
            return Ok(None);
        }
        let alias = match something(given).map(|given| (given, given.cast_exact::<PyString>())) {
            None => intern!(py, "date"),
            Some((_, Ok(alias))) => alias,
            Some((object, Err(_))) if object.is_instance_of::<BaseTrigger>() => {
                return Self::of_object(&open.zone, object.clone()).map(Some);
            }
            Some((_, Err(_))) => return Ok(None),
        };
        let Some(class) = call.class(alias)? else { return Ok(None) };
        let made = |core, first| Self { core, zone: Some(Arc::clone(&open.zone)), object: None, first };
        let make = || {
            let all = PyDict::new(py);
            all.set_item(intern!(py, "timezone"), open.zone.tzinfo(py))?;
            for (name, value) in arguments {
                all.set_item(name, value)?;
            }
            class.object.call((), Some(&all))
        };
        match class.kind {
            Kind::Interval => {
                let Some(clock) = call.wall_clock()? else { return Ok(None) };
                if let Some(core) = IntervalTrigger::core_of(arguments, clock)? {
                    return Ok(Some(made(core, None)));
                }
            }
            Kind::Cron => {
                let make = || make()?.cast_into::<CronTrigger>()?.borrow().core();
                if let Some((core, first)) = open.crons.get(call, arguments, make)? {
                    return Ok(Some(made(core, first)));
                }
            }
            Kind::Other => {}
        }
        Self::of_object(&open.zone, make()?).map(Some)
    }

    fn of_object(zone: &Arc<TimeZone>, object: Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            core: trigger::core_trigger(&object, zone)?,
            zone: trigger::trigger_zone(&object)?,
            object: Some(object.unbind()),
            first: None,
        })
    }

    /// The first fire time after now, and after `last`; the outer `None` where that needs Python.
    pub fn next(&self, call: &Call<'_, '_>, last: Option<UtcMicros>) -> PyResult<Option<Option<UtcMicros>>> {
        match self.first.filter(|first| last.is_none_or(|last| *first > last)) {
            Some(first) => Ok(Some(Some(first))),
            None => call.next(&self.core, last),
        }
    }
}

impl Records {
    /// The record of a job, and where its runs go; `None` where an argument is out of the ordinary.
    fn get(
        &self,
        call: &Call<'_, '_>,
        func: &Bound<'_, PyAny>,
        given: &Given<'_, '_>,
        zone: Option<Arc<TimeZone>>,
        trigger: Option<Py<PyAny>>,
    ) -> PyResult<Option<(Arc<Record>, u32)>> {
        let py = call.py;
        let executor = match given.get(Field::executor).map(|alias| alias.cast_exact::<PyString>()) {
            None => intern!(py, "default"),
            Some(Ok(alias)) => alias,
            Some(Err(_)) => return Ok(None),
        };
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
                record.func.is(func) && record.executor.is(executor) && same_zone
            });
        }
        if let Some((record, route, _)) = known.take_if(|(.., looked_at)| *looked_at == call.number) {
            return Ok(Some((record, route)));
        }
        let kwargs = match kwargs.map(|kwargs| kwargs.cast_exact::<PyDict>()) {
            None => None,
            Some(Ok(kwargs)) => Some(kwargs.copy()?),
            Some(Err(_)) => return Ok(None),
        };
        let args = args.unwrap_or_else(|| PyTuple::empty(py));
        let Some(function) = Function::of(func, &args, kwargs.as_ref())? else { return Ok(None) };
        if let Some((record, route, _)) = known {
            // A function can be given another code and another name.
            if record.name.is(&function.name) && Route::unpack(route).coroutine == function.coroutine {
                self.remember(address, &record, route, call);
                return Ok(Some((record, route)));
            }
        }
        let name = match name {
            None => function.name,
            Some(name) => match nonempty(name)? {
                Some(name) => name.clone(),
                None => return Ok(None),
            },
        };
        let route = Route { executor: executor_number(&text::of(executor)?), coroutine: function.coroutine };
        let record = Arc::new(Record {
            func: func.clone().unbind(),
            func_ref: FuncRef::Derived,
            args: args.into_any().unbind(),
            kwargs: kwargs.map(|kwargs| kwargs.into_any().unbind()),
            name: name.unbind(),
            executor: executor.clone().unbind(),
            trigger,
            context: None,
            zone,
        });
        if is_plain {
            self.remember(address, &record, route.pack(), call);
        }
        Ok(Some((record, route.pack())))
    }

    /// What is known of the function at this address: a record, where the runs go, and who has looked at it.
    fn known(&self, address: usize) -> Option<(Arc<Record>, u32, u64)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&address)?;
        Some((known.record.upgrade()?, known.route, known.call))
    }

    fn remember(&self, address: usize, record: &Arc<Record>, route: u32, call: &Call<'_, '_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN && !known.contains_key(&address) {
            known.clear();
        }
        known.insert(address, Known { record: Arc::downgrade(record), route, call: call.number });
    }
}

/// What is not `None`.
fn something<'a, 'py>(given: Option<&'a Bound<'py, PyAny>>) -> Option<&'a Bound<'py, PyAny>> {
    given.filter(|given| !given.is_none())
}

/// What is given and not `undefined`.
fn defined<'a, 'py>(given: Option<&'a Bound<'py, PyAny>>) -> PyResult<Option<&'a Bound<'py, PyAny>>> {
    match given {
        Some(given) if !given.is(imports::undefined(given.py())?) => Ok(Some(given)),
        _ => Ok(None),
    }
}

fn nonempty<'a, 'py>(given: &'a Bound<'py, PyAny>) -> PyResult<Option<&'a Bound<'py, PyString>>> {
    match given.cast_exact::<PyString>() {
        Ok(text) if !text.is_empty()? => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// The first fire time, which `None` leaves out; the outer `None` where it is out of the ordinary.
fn next(
    call: &Call<'_, '_>,
    trigger: &NewTrigger,
    given: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Option<UtcMicros>>> {
    match defined(given)? {
        None => trigger.next(call, None),
        Some(given) if given.is_none() => Ok(Some(None)),
        // A naive one is an error here.
        Some(given) if is_datetime(given)? => instant(given).map(|next| Some(Some(next))),
        Some(_) => Ok(None),
    }
}
