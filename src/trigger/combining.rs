//! `AndTrigger` and `OrTrigger`: the classes of triggers that are made of triggers, for Python.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::trigger::{Combination, Cursor, Trigger};
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

use super::args::{self, not_initialized};
use super::base::{self, BaseTrigger};
use super::live::{self, Mark};
use super::{HostZones, PythonJitter, core_trigger_in, trigger_zone};
use crate::py::error::to_py;
use crate::py::host;
use crate::py::once::intern;
use crate::py::text;
use crate::time::datetime::in_range;
use crate::time::zone::TimeZone;

/// Base class of the triggers that are made of others.
///
/// :param triggers: the triggers to combine, a list
/// :param jitter: up to how many seconds late each fire time comes, by chance, a number; default none
/// :raises TypeError: if one of them has no ``get_next_fire_time``
#[pyclass(extends = BaseTrigger, subclass, module = "mainspring.triggers.combining")]
pub struct BaseCombiningTrigger {
    state: Option<State>,
    /// Whether the engine has read it.
    pub mark: Mark,
}

struct State {
    /// A list of its own, or the tuple that the user gave.
    triggers: Py<PyAny>,
    jitter: Py<PyAny>,
    /// Where the members are in their series of fire times, with the address of each.
    cursors: Vec<(usize, Arc<Cursor>)>,
}

/// A step of a member's series in microseconds since the epoch, as it is pickled.
type PickledStep = Option<(Option<i64>, i64)>;

impl BaseCombiningTrigger {
    fn state(&self) -> PyResult<&State> {
        self.state.as_ref().ok_or_else(|| not_initialized("combining trigger"))
    }

    fn empty() -> PyClassInitializer<Self> {
        PyClassInitializer::from(BaseTrigger).add_subclass(Self { state: None, mark: Mark::default() })
    }

    fn fill(slf: &Bound<'_, Self>, triggers: Bound<'_, PyAny>, jitter: Bound<'_, PyAny>) -> PyResult<()> {
        args::jitter_micros(&jitter)?;
        // A program that changes the list changes the trigger.
        let triggers = match triggers.is_instance_of::<PyTuple>() {
            true => triggers,
            false => host::trigger_list(slf.py())?.call1((triggers,))?,
        };
        for trigger in triggers.try_iter()? {
            let trigger = trigger?;
            if !trigger.hasattr(intern!(slf.py(), "get_next_fire_time"))? {
                return Err(PyTypeError::new_err(format!(
                    "triggers must be triggers, got {} of type {}",
                    trigger.repr()?,
                    trigger.get_type().qualname()?
                )));
            }
        }
        let mut this = slf.borrow_mut();
        let cursors = this.state.as_mut().map(|state| std::mem::take(&mut state.cursors)).unwrap_or_default();
        let new = State { triggers: triggers.unbind(), jitter: jitter.unbind(), cursors };
        let old = this.state.replace(new);
        drop(this);
        // Which may run Python code.
        drop(old);
        Ok(())
    }

    /// The cursors of `members`. A member keeps its own while it stays where it is in the list.
    fn cursors(&mut self, members: &[Bound<'_, PyAny>]) -> PyResult<Vec<Arc<Cursor>>> {
        let state = self.state.as_mut().ok_or_else(|| not_initialized("combining trigger"))?;
        state.cursors.truncate(members.len());
        for (index, member) in members.iter().enumerate() {
            let address = member.as_ptr() as usize;
            match state.cursors.get_mut(index) {
                Some((known, _)) if *known == address => {}
                Some(cursor) => *cursor = (address, Arc::default()),
                None => state.cursors.push((address, Arc::default())),
            }
        }
        Ok(state.cursors.iter().map(|(_, cursor)| Arc::clone(cursor)).collect())
    }
}

#[pymethods]
impl BaseCombiningTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: (&str, &str) = ("jitter", "triggers");

    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(triggers, jitter=None)")]
    fn new(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        base::refuse_abstract(cls)?;
        Ok(Self::empty())
    }

    #[pyo3(signature = (triggers, jitter=None))]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        triggers: Bound<'py, PyAny>,
        jitter: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        Self::fill(slf, triggers, jitter.unwrap_or_else(|| slf.py().None().into_bound(slf.py())))
            .and_then(|()| live::made_anew(slf))
    }

    /// The combined triggers.
    #[getter]
    fn triggers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.state()?.triggers.clone_ref(py))
    }

    #[setter]
    fn set_triggers<'py>(slf: &Bound<'py, Self>, triggers: Bound<'py, PyAny>) -> PyResult<()> {
        let jitter = slf.borrow().jitter(slf.py())?;
        Self::fill(slf, triggers, jitter.into_bound(slf.py()))
    }

    /// How many seconds late a fire time may come.
    #[getter]
    fn jitter(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.state()?.jitter.clone_ref(py))
    }

    #[setter]
    fn set_jitter<'py>(slf: &Bound<'py, Self>, jitter: Bound<'py, PyAny>) -> PyResult<()> {
        let triggers = slf.borrow().triggers(slf.py())?;
        Self::fill(slf, triggers.into_bound(slf.py()), jitter)
    }

    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let reference = host::obj_to_ref(py)?;
        let members = members_of(slf)?;
        let states = PyList::empty(py);
        for trigger in &members {
            states
                .append((reference.call1((trigger.get_type(),))?, trigger.call_method0("__getstate__")?))?;
        }
        let state = PyDict::new(py);
        state.set_item("version", 1)?;
        state.set_item("triggers", states)?;
        state.set_item("jitter", slf.borrow().jitter(py)?)?;
        let step =
            |cursor: Arc<Cursor>| cursor.step().map(|(before, t)| (before.map(UtcMicros::get), t.get()));
        let steps: Vec<PickledStep> = slf.borrow_mut().cursors(&members)?.into_iter().map(step).collect();
        if steps.iter().any(Option::is_some) {
            // APScheduler does not look at it.
            state.set_item("steps", steps)?;
        }
        Ok(state)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let state = args::state_dict(state, slf, 1, "versions up to 1")?;
        let jitter = args::required(&state, "jitter")?;
        let find = host::ref_to_obj(py)?;
        let ours = host::name_of_ours(py)?;
        let triggers = PyList::empty(py);
        for member in args::required(&state, "triggers")?.try_iter()? {
            // A tuple, and in JSON a list.
            let member = member?;
            let (reference, state) = (member.get_item(0)?, member.get_item(1)?);
            let class = find.call1((ours.call1((reference,))?,))?;
            let trigger = class.call_method1("__new__", (&class,))?;
            trigger.call_method1("__setstate__", (state,))?;
            triggers.append(trigger)?;
        }
        Self::fill(slf, triggers.into_any(), jitter)?;
        let steps: Option<Vec<PickledStep>> = args::optional(&state, "steps")?.extract()?;
        let members = members_of(slf)?;
        let cursors = slf.borrow_mut().cursors(&members)?;
        for (cursor, step) in cursors.iter().zip(steps.into_iter().flatten()) {
            if let Some((before, t)) = step {
                cursor.set((before.map(in_range).transpose()?, in_range(t)?));
            }
        }
        live::made_anew(slf)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<args::Reduced<'py>> {
        args::reduce(slf)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let py = slf.py();
        let (triggers, jitter) = (slf.borrow().triggers(py)?, slf.borrow().jitter(py)?);
        let jitter = if jitter.bind(py).is_truthy()? { format!(", jitter={jitter}") } else { String::new() };
        text::format(py, "<%s(%s%s)>", (slf.get_type().name()?, triggers, jitter))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.state {
            Some(state) => visit.call(&state.triggers).and_then(|()| visit.call(&state.jitter)),
            None => Ok(()),
        }
    }

    fn __clear__(&mut self) {
        self.state = None;
    }
}

/// The triggers that `combining` is made of.
pub fn members_of<'py>(combining: &Bound<'py, BaseCombiningTrigger>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let triggers = combining.borrow().triggers(combining.py())?;
    triggers.bind(combining.py()).try_iter()?.collect()
}

/// The core's trigger of a combination; `zones` is for triggers written in Python.
pub fn combine(
    combining: &Bound<'_, BaseCombiningTrigger>,
    kind: impl FnOnce(Arc<Combination>) -> Trigger,
    zones: &HostZones,
) -> PyResult<Arc<Trigger>> {
    let py = combining.py();
    let members = members_of(combining)?;
    let cursors = combining.borrow_mut().cursors(&members)?;
    let members = members.iter().map(|member| Ok(Trigger::clone(&*core_trigger_in(member, zones)?)));
    let members = members.collect::<PyResult<Vec<_>>>()?;
    let jitter = args::jitter_micros(combining.borrow().jitter(py)?.bind(py))?;
    let combination = Combination::at_cursors(members.into_iter().zip(cursors), jitter).map_err(to_py)?;
    Ok(Arc::new(kind(Arc::new(combination))))
}

/// Fires when all its triggers do, at the earliest time on which they agree; when one of them is finished,
/// so is it.
///
/// Meant for triggers that fire at certain times of the day. Interval triggers with different starts may
/// never agree: the search gives up after a bounded number of steps and returns ``None``.
///
/// :param triggers: the triggers to combine, a list
/// :param jitter: up to how many seconds late each fire time comes, by chance, a number; default none
/// :raises TypeError: if one of them has no ``get_next_fire_time``
///
/// >>> str(AndTrigger([CronTrigger(day="1st fri", timezone="UTC"), CronTrigger(hour=8, timezone="UTC")]))
/// "and[cron[day='1st fri'], cron[hour='8']]"
#[pyclass(extends = BaseCombiningTrigger, subclass, module = "mainspring.triggers.combining")]
pub struct AndTrigger;

/// Fires whenever one of its triggers does; when all of them are finished, so is it.
///
/// Each trigger goes on along its own fire times, whichever of them fires in between. One that is written in
/// Python is asked for the time after its own fire time before, and not asked again until that has come.
///
/// :param triggers: the triggers to combine, a list
/// :param jitter: up to how many seconds late each fire time comes, by chance, but before the next one; a number,
///     default none
/// :raises TypeError: if one of them has no ``get_next_fire_time``
///
/// >>> str(OrTrigger([CronTrigger(hour=8, timezone="UTC"), CronTrigger(hour=20, timezone="UTC")]))
/// "or[cron[hour='8'], cron[hour='20']]"
#[pyclass(extends = BaseCombiningTrigger, subclass, module = "mainspring.triggers.combining")]
pub struct OrTrigger;

#[pymethods]
impl AndTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: () = ();

    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(triggers, jitter=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        BaseCombiningTrigger::empty().add_subclass(Self)
    }

    /// Return the next time on which all triggers agree, in the zone of the first one.
    ///
    /// :raises TypeError: if one of the times is naive
    #[pyo3(signature = (previous_fire_time, now))]
    fn get_next_fire_time<'py>(
        slf: &Bound<'py, Self>,
        previous_fire_time: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        next_fire_time(slf.as_super(), Trigger::And, previous_fire_time, now)
    }

    fn __str__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        describe("and", slf.as_super())
    }
}

#[pymethods]
impl OrTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: () = ();

    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(triggers, jitter=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        BaseCombiningTrigger::empty().add_subclass(Self)
    }

    /// Return the earliest next fire time of all triggers, in the zone of the first one.
    ///
    /// :raises TypeError: if one of the times is naive
    #[pyo3(signature = (previous_fire_time, now))]
    fn get_next_fire_time<'py>(
        slf: &Bound<'py, Self>,
        previous_fire_time: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        next_fire_time(slf.as_super(), Trigger::Or, previous_fire_time, now)
    }

    fn __str__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        describe("or", slf.as_super())
    }
}

fn describe<'py>(kind: &str, combining: &Bound<'py, BaseCombiningTrigger>) -> PyResult<Bound<'py, PyString>> {
    let members = members_of(combining)?.iter().map(|m| m.str()).collect::<PyResult<Vec<_>>>()?;
    text::format(combining.py(), "%s[%s]", (kind, text::joined(combining.py(), members)?))
}

fn next_fire_time<'py>(
    combining: &Bound<'py, BaseCombiningTrigger>,
    kind: impl FnOnce(Arc<Combination>) -> Trigger,
    previous: &Bound<'py, PyAny>,
    now: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = combining.py();
    let zone = TimeZone::of_datetime(now, "now")?;
    let previous_zone = if previous.is_truthy()? {
        TimeZone::of_datetime(previous, "previous_fire_time")?
    } else {
        Arc::clone(&zone)
    };
    let core = combine(combining, kind, &HostZones { now: Arc::clone(&zone), previous: previous_zone })?;
    let previous = zone.optional_instant(previous, "previous_fire_time")?;
    let mut jitter = PythonJitter::new(py);
    let next = core.next_fire_time(previous, zone.instant(now, "now")?, &mut jitter);
    let Some(next) = jitter.or_raised(next)? else { return Ok(None) };
    match trigger_zone(combining)? {
        Some(zone) => zone.datetime(py, next).map(Some),
        None => zone.datetime(py, next).map(Some),
    }
}
