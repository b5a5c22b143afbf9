//! From the arguments of `add_job` to a job that pends, or to what a native store takes in.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::job::{JobId, RunPolicy};
use mainspring_core::store::NewJob;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};

use super::call::{Call, Kind};
use super::{ids, or_in_python, trigger};
use crate::job::fields::{Field, Fields, Part};
use crate::job::handle::{Added, Job};
use crate::job::record::Record;
use crate::job::seen::new_job;
use crate::py::host;
use crate::py::once::intern;
use crate::py::text;
use crate::time::datetime::{instant, is_datetime};
use crate::time::zone::TimeZone;
use crate::trigger::{BaseTrigger, CronTrigger, IntervalTrigger};

/// The arguments of `add_job`; `None` for one that is left out.
#[derive(Default)]
pub struct Given<'a, 'py> {
    fields: [Option<Borrowed<'a, 'py, PyAny>>; Field::COUNT],
    jobstore: Option<Borrowed<'a, 'py, PyAny>>,
    /// The keyword arguments of the trigger.
    arguments: Vec<Argument<'py>>,
}

/// A keyword argument of a trigger.
pub type Argument<'py> = (Bound<'py, PyString>, Bound<'py, PyAny>);

/// A job to be added, whose arguments have been checked, and the alias of its store.
pub struct Spec<'py> {
    id: JobId,
    /// With the scheduler's defaults.
    policy: RunPolicy,
    record: Arc<Record>,
    route: u32,
    pub jobstore: Bound<'py, PyString>,
}

/// A trigger on its way into the store.
pub struct NewTrigger {
    /// `None` where only its object knows.
    pub core: Option<Arc<Trigger>>,
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
        let mut this = Self { arguments: arguments(trigger)?, ..Self::default() };
        let mut values = given.iter_borrowed();
        for (field, value) in fields().zip(&mut values) {
            this.fields[field as usize] = Some(value);
        }
        this.jobstore = values.next();
        Ok(this)
    }

    pub fn get(&self, field: Field) -> Option<&Bound<'py, PyAny>> {
        self.fields[field as usize].as_deref()
    }

    /// What is given for making the trigger.
    pub fn trigger(&self) -> (Option<&Bound<'py, PyAny>>, &[Argument<'py>]) {
        (self.get(Field::trigger), &self.arguments)
    }

    /// The arguments of the constructor of `Job`, for a job that fires by `trigger`.
    pub fn options(&self, trigger: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = trigger.py();
        let options = PyDict::new(py);
        for field in fields() {
            let Some(given) = defined(self.get(field))? else { continue };
            match field {
                Field::trigger => options.set_item(field.name(), &trigger)?,
                Field::args if given.is_none() => options.set_item(field.name(), PyTuple::empty(py))?,
                Field::args => options.set_item(field.name(), py.get_type::<PyTuple>().call1((given,))?)?,
                Field::kwargs if given.is_none() => options.set_item(field.name(), PyDict::new(py))?,
                Field::kwargs => options.set_item(field.name(), py.get_type::<PyDict>().call1((given,))?)?,
                Field::context if given.is_none() => (),
                _ => options.set_item(field.name(), given)?,
            }
        }
        Ok(options)
    }

    /// The alias of the job store.
    pub fn jobstore(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self.jobstore.as_deref() {
            Some(alias) => alias.clone(),
            None => intern!(py, "default").clone().into_any(),
        }
    }

    /// What is given that is not `None`.
    pub fn something(&self, field: Field) -> Option<&Bound<'py, PyAny>> {
        something(self.get(field))
    }
}

/// Calls `with` with the arguments that are in a dictionary; `None` where Python must add the job (see [`Spec::new`]).
pub fn with_given<'py, R>(
    call: &mut Call<'_, 'py>,
    arguments: &Bound<'py, PyDict>,
    with: impl FnOnce(&mut Call<'_, 'py>, &Given<'_, 'py>) -> PyResult<Option<R>>,
) -> PyResult<Option<R>> {
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
    let mut given = Given { fields, jobstore, arguments: trigger };
    let done = with(call, &given);
    given.arguments.clear();
    call.arguments = given.arguments;
    done
}

impl<'py> Spec<'py> {
    /// What is to be added; `None` where Python must add the job: an argument has another type than those read here, or
    /// is one that Python alone checks, or is not valid, which Python then says.
    pub fn new(
        call: &mut Call<'_, 'py>,
        given: &Given<'_, 'py>,
        trigger: &NewTrigger,
    ) -> PyResult<Option<Self>> {
        let py = call.py;
        let Some(func) = given.get(Field::func).filter(|_| trigger.core.is_some()) else { return Ok(None) };
        let policy = Fields::checked_policy(call.open.defaults, |field| defined(given.get(field)))?;
        let id = match given.something(Field::id) {
            None => ids::new_id(py)?,
            Some(id) => match Fields::checked(Field::id, id)?.id {
                Some(id) if !id.is_empty() => id,
                _ => return Ok(None),
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
        let object = trigger.object.as_ref().map(|object| object.clone_ref(py));
        let Some((record, route)) = call.open.records.get(call, func, given, trigger.zone.clone(), object)?
        else {
            return Ok(None);
        };
        Ok(Some(Self { id, policy, record, route, jobstore }))
    }

    /// What a native store takes in, with the first fire time; `None` where that is for Python to find out.
    pub fn stored(
        &self,
        call: &Call<'_, 'py>,
        given: &Given<'_, 'py>,
        trigger: &NewTrigger,
    ) -> PyResult<Option<NewJob<Arc<Record>>>> {
        let Some(core) = &trigger.core else { return Ok(None) };
        let Some(next) = next(call, trigger, given.get(Field::next_run_time))? else { return Ok(None) };
        Ok(Some(NewJob {
            id: Arc::clone(&self.id),
            trigger: Arc::clone(core),
            policy: self.policy,
            route: self.route,
            next,
            payload: Arc::clone(&self.record),
        }))
    }

    /// A job of a scheduler that pends, which has only what is given; `None` where Python must add it, since it is given a
    /// first fire time.
    pub fn pending(
        &self,
        scheduler: &Bound<'py, PyAny>,
        given: &Given<'_, 'py>,
        trigger: &NewTrigger,
    ) -> PyResult<Option<Job>> {
        let Some(core) = &trigger.core else { return Ok(None) };
        let mut fields = Fields { id: Some(Arc::clone(&self.id)), ..Fields::default() };
        for field in Field::in_part(Part::Policy) {
            if let Some(value) = defined(given.get(field))? {
                fields.check(field, value)?;
            }
        }
        match defined(given.get(Field::next_run_time))? {
            None => (),
            Some(given) if given.is_none() => fields.next_run_time = Some(None),
            Some(_) => return Ok(None),
        }
        // One of its own, which the garbage collector sees: no store owns a job that pends.
        let record = match Arc::strong_count(&self.record) {
            1 => Arc::clone(&self.record),
            _ => Arc::new(self.record.clone_ref(scheduler.py())),
        };
        let added = Added { record, trigger: Arc::clone(core), route: self.route };
        Ok(Some(Job::pending_in(scheduler, fields, added)))
    }
}

/// What a native store takes in of a job that pends: what it lacks are the defaults, and the first fire time. `None` where
/// that is for Python to find out.
pub fn stored(call: &Call<'_, '_>, job: &Bound<'_, Job>) -> PyResult<Option<NewJob<Arc<Record>>>> {
    let (py, defaults) = (call.py, call.open.defaults);
    let as_added = if trigger::classes_are_patched() { None } else { job.get().as_added(defaults) };
    let (mut new, is_planned) = match as_added {
        Some(added) => added,
        None => {
            let mut fields = job.get().fields(py)?;
            fields.set_policy(fields.policy(defaults));
            let is_planned = !fields.is_set(Field::next_run_time);
            fields.next_run_time.get_or_insert(None);
            (new_job(py, fields, job.get().owner(py).0.as_ref().map(|s| s.bind(py)))?, is_planned)
        }
    };
    if is_planned {
        let Some(next) = call.next(&new.trigger, None)? else { return Ok(None) };
        new.next = next;
    }
    Ok(Some(new))
}

/// Whether a job is told apart by this field from those that share a record.
fn is_for_records_alone(field: Field) -> bool {
    field.part() == Part::Record && !matches!(field, Field::name | Field::executor)
}

/// The keyword arguments in `arguments`.
pub fn arguments<'py>(arguments: &Bound<'py, PyDict>) -> PyResult<Vec<Argument<'py>>> {
    arguments.iter().map(|(name, value)| Ok((name.cast_into::<PyString>()?, value))).collect()
}

impl NewTrigger {
    /// The trigger that is given, or that an alias and arguments stand for; `None` where that is for Python to say.
    pub fn new<'py>(
        call: &mut Call<'_, 'py>,
        (given, arguments): (Option<&Bound<'py, PyAny>>, &[Argument<'py>]),
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
        let made =
            |core, first| Self { core: Some(core), zone: Some(Arc::clone(&open.zone)), object: None, first };
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
            core: Some(trigger::core_trigger(&object, zone)?),
            zone: trigger::trigger_zone(&object)?,
            object: Some(object.unbind()),
            first: None,
        })
    }

    /// One that a method of the scheduler has made.
    pub fn made_in_python(call: Option<&Call<'_, '_>>, object: Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(call) = call.filter(|_| object.is_instance_of::<BaseTrigger>()) {
            let known = Self::of_object(&call.open.zone, object.clone());
            if let Some(known) = or_in_python(call.py, known.map(Some))? {
                return Ok(known);
            }
        }
        Ok(Self { core: None, zone: None, object: Some(object.unbind()), first: None })
    }

    /// The trigger as a Python object.
    pub fn to_object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match (&self.object, &self.core, &self.zone) {
            (None, Some(core), Some(zone)) => Ok(trigger::to_object(py, core, zone)?.into_bound(py)),
            (object, ..) => {
                Ok(object.as_ref().map_or_else(|| py.None(), |object| object.clone_ref(py)).into_bound(py))
            }
        }
    }

    /// The first fire time after now, and after `last`; the outer `None` where that needs Python.
    pub fn next(&self, call: &Call<'_, '_>, last: Option<UtcMicros>) -> PyResult<Option<Option<UtcMicros>>> {
        match self.first.filter(|first| last.is_none_or(|last| *first > last)) {
            Some(first) => Ok(Some(Some(first))),
            None => self.core.as_ref().map_or(Ok(None), |core| call.next(core, last)),
        }
    }
}

/// What is not `None`.
pub fn something<'a, 'py>(given: Option<&'a Bound<'py, PyAny>>) -> Option<&'a Bound<'py, PyAny>> {
    given.filter(|given| !given.is_none())
}

/// What is given and not `undefined`.
fn defined<'a, 'py>(given: Option<&'a Bound<'py, PyAny>>) -> PyResult<Option<&'a Bound<'py, PyAny>>> {
    match given {
        Some(given) if !given.is(host::undefined(given.py())?) => Ok(Some(given)),
        _ => Ok(None),
    }
}

/// The first fire time; `Some(None)`: there is none. `None` where Python must add the job: what is given is no
/// datetime, or the trigger is one that only Python can ask, or the clock that Python reads is replaced.
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
