//! From the arguments of `add_job` to what a native store takes in.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;
use mainspring_core::UtcMicros;
use mainspring_core::job::RunPolicy;
use mainspring_core::store::NewJob;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyList, PyString, PyTuple};

use super::call::{Call, Kind};
use super::{ids, trigger};
use crate::job::function::Function;
use crate::job::record::{FuncRef, Record, Route, executor_number};
use crate::py::imports;
use crate::py::once::intern;
use crate::py::text;
use crate::time::datetime::{count, instant, is_datetime};
use crate::time::zone::TimeZone;
use crate::trigger::{BaseTrigger, CronTrigger, IntervalTrigger};

/// The most records that are known at once.
const MOST_KNOWN: usize = 256;

/// The arguments of `add_job`; `None` for one that is left out.
pub struct Given<'a, 'py> {
    pub func: Option<&'a Bound<'py, PyAny>>,
    pub trigger: Option<&'a Bound<'py, PyAny>>,
    pub args: Option<&'a Bound<'py, PyAny>>,
    pub kwargs: Option<&'a Bound<'py, PyAny>>,
    pub id: Option<&'a Bound<'py, PyAny>>,
    pub name: Option<&'a Bound<'py, PyAny>>,
    pub misfire_grace_time: Option<&'a Bound<'py, PyAny>>,
    pub coalesce: Option<&'a Bound<'py, PyAny>>,
    pub max_instances: Option<&'a Bound<'py, PyAny>>,
    pub next_run_time: Option<&'a Bound<'py, PyAny>>,
    pub jobstore: Option<&'a Bound<'py, PyAny>>,
    pub executor: Option<&'a Bound<'py, PyAny>>,
    pub context: Option<&'a Bound<'py, PyAny>>,
    pub trigger_args: &'a [Argument<'py>],
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

impl<'py> Spec<'py> {
    /// What is to be added; `None` where an argument is out of the ordinary.
    pub fn new(call: &mut Call<'_, 'py>, given: &Given<'_, 'py>) -> PyResult<Option<Self>> {
        let py = call.py;
        let Some(func) = given.func else { return Ok(None) };
        let Some(policy) = policy(call.open.defaults, given)? else { return Ok(None) };
        let id = match something(given.id) {
            None => ids::new_id(py)?,
            Some(id) => match nonempty(id)? {
                Some(id) => text::of(id)?.into(),
                None => return Ok(None),
            },
        };
        if something(given.context).is_some() {
            return Ok(None);
        }
        let jobstore = match given.jobstore.map(|alias| alias.cast_exact::<PyString>()) {
            None => intern!(py, "default").clone(),
            Some(Ok(alias)) => alias.clone(),
            Some(Err(_)) => return Ok(None),
        };
        let Some(new) = NewTrigger::new(call, given.trigger, given.trigger_args)? else {
            return Ok(None);
        };
        let Some(next) = next(call, &new, given.next_run_time)? else { return Ok(None) };
        let Some((record, route)) = call.open.records.get(call, func, given, new.zone, new.object)? else {
            return Ok(None);
        };
        let job = NewJob { id, trigger: new.core, policy, route, next, payload: record };
        Ok(Some(Self { job, jobstore }))
    }

    /// The same from a dictionary of arguments.
    pub fn from_dict(call: &mut Call<'_, 'py>, arguments: &Bound<'py, PyDict>) -> PyResult<Option<Self>> {
        let mut values: [Option<Bound<'py, PyAny>>; NAMES] = Default::default();
        let mut trigger_args = std::mem::take(&mut call.arguments);
        for (name, value) in arguments {
            let name = name.cast_into::<PyString>()?;
            match index(name.to_str()?) {
                Some(index) => values[index] = Some(value),
                None => trigger_args.push((name, value)),
            }
        }
        let [
            func,
            trigger,
            id,
            args,
            kwargs,
            name,
            misfire_grace_time,
            coalesce,
            max_instances,
            next_run_time,
            jobstore,
            executor,
            context,
            replace_existing,
        ] = values.each_ref().map(Option::as_ref);
        if replace_existing.is_some_and(|replace| !replace.is_instance_of::<PyBool>()) {
            return Ok(None);
        }
        let given = Given {
            func,
            trigger,
            args,
            kwargs,
            id,
            name,
            misfire_grace_time,
            coalesce,
            max_instances,
            next_run_time,
            jobstore,
            executor,
            context,
            trigger_args: &trigger_args,
        };
        let spec = Self::new(call, &given);
        trigger_args.clear();
        call.arguments = trigger_args;
        spec
    }
}

/// How many arguments `add_job` has besides those of the trigger.
const NAMES: usize = 14;

/// Which of them has this name.
fn index(name: &str) -> Option<usize> {
    Some(match name {
        "func" => 0,
        "trigger" => 1,
        "id" => 2,
        "args" => 3,
        "kwargs" => 4,
        "name" => 5,
        "misfire_grace_time" => 6,
        "coalesce" => 7,
        "max_instances" => 8,
        "next_run_time" => 9,
        "jobstore" => 10,
        "executor" => 11,
        "context" => 12,
        "replace_existing" => 13,
        _ => return None,
    })
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
        let executor = match given.executor.map(|alias| alias.cast_exact::<PyString>()) {
            None => intern!(py, "default"),
            Some(Ok(alias)) => alias,
            Some(Err(_)) => return Ok(None),
        };
        let args = match something(given.args) {
            None => None,
            Some(args) => match (args.cast_exact::<PyTuple>(), args.cast_exact::<PyList>()) {
                (Ok(args), _) => Some(args.clone()),
                (_, Ok(args)) => Some(args.to_tuple()),
                _ => return Ok(None),
            },
        };
        let args = args.filter(|args| !args.is_empty());
        let (name, kwargs) = (something(given.name), something(given.kwargs));
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

/// The rules that the runs obey; `None` where they are out of the ordinary.
fn policy(defaults: RunPolicy, given: &Given<'_, '_>) -> PyResult<Option<RunPolicy>> {
    let mut policy = defaults;
    if let Some(grace) = defined(given.misfire_grace_time)? {
        policy.misfire_grace_seconds = match positive(grace) {
            Some(grace) => Some(grace),
            None if grace.is_none() => None,
            None => return Ok(None),
        };
    }
    if let Some(coalesce) = defined(given.coalesce)? {
        match coalesce.cast_exact::<PyBool>() {
            Ok(coalesce) => policy.coalesce = coalesce.is_true(),
            Err(_) => return Ok(None),
        }
    }
    if let Some(most) = defined(given.max_instances)? {
        match positive(most) {
            Some(most) => policy.max_instances = most,
            None => return Ok(None),
        }
    }
    Ok(Some(policy))
}

/// A positive whole number; see [`count`] for great ones.
pub fn positive(given: &Bound<'_, PyAny>) -> Option<u32> {
    count(given.cast_exact::<PyInt>().ok()?).ok().filter(|number| *number > 0)
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
