//! `CronTrigger`: the class of the trigger that fires when the clock on the wall matches its fields, for Python.

use std::sync::Arc;

use mainspring_core::trigger::cron::field::{Field, FieldName};
use mainspring_core::trigger::{self as core, CronFields, Trigger};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

use super::args::{self, Home, not_initialized};
use super::base::BaseTrigger;
use super::live::{self, Mark};
use crate::py::error::to_py;
use crate::py::host;
use crate::py::once::intern;
use crate::py::text;
use crate::time::zone::TimeZone;

static HOME: Home = Home(&host::CRON);
const ARGUMENTS: [&str; 12] = [
    "year",
    "month",
    "day",
    "week",
    "day_of_week",
    "hour",
    "minute",
    "second",
    "start_date",
    "end_date",
    "timezone",
    "jitter",
];

/// Fires when the clock on the wall matches all eight fields, as the UNIX cron does.
///
/// A field takes a number or a text: ``*``, ``*/n``, ``a``, ``a-b``, ``a-b/n``, ``a/n``, or several of them
/// separated by commas. ``month`` and ``day_of_week`` know the English abbreviations (``jan``, ``mon-fri``),
/// ``day`` also ``last`` and positions such as ``2nd fri`` or ``last sun``. A field left out matches every
/// value if a less significant one is given, else its least one (``week`` and ``day_of_week``: every one).
///
/// :param year: 4-digit year, 1970 to 9999
/// :param month: month, 1 to 12
/// :param day: day of the month, 1 to 31
/// :param week: ISO 8601 week, 1 to 53
/// :param day_of_week: weekday, 0 to 6; Monday is 0
/// :param hour: hour, 0 to 23
/// :param minute: minute, 0 to 59
/// :param second: second, 0 to 59
/// :param start_date: nothing fires before this: a datetime, a date or a string, default none
/// :param end_date: nothing fires after this: of the same types, default none
/// :param timezone: the zone of the clock, and of dates without one, a tzinfo or an IANA key; default that of
///     ``start_date`` or ``end_date``, else the machine's
/// :param jitter: up to how many seconds late each fire time comes, by chance, a number; default none
/// :raises ValueError: if an expression is unknown or outside its field's range, or a string no date
///
/// >>> CronTrigger(day_of_week="mon-fri", hour=8, timezone="Europe/Berlin")
/// <CronTrigger (day_of_week='mon-fri', hour='8', timezone='Europe/Berlin')>
#[pyclass(extends = BaseTrigger, subclass, module = "mainspring.triggers.cron")]
pub struct CronTrigger {
    state: Option<State>,
    /// Whether the engine has read it.
    pub mark: Mark,
}

struct State {
    core: Arc<Trigger>,
    zone: Arc<TimeZone>,
    start_date: Option<Py<PyAny>>,
    end_date: Option<Py<PyAny>>,
    jitter: Option<Py<PyAny>>,
    /// The fields as Python objects: as they were unpickled, or made when first looked at.
    fields: Option<Py<PyAny>>,
}

/// All that makes a trigger, as Python sees it.
struct Parts<'py> {
    fields: CronFields,
    timezone: Bound<'py, PyAny>,
    start_date: Bound<'py, PyAny>,
    end_date: Bound<'py, PyAny>,
    jitter: Bound<'py, PyAny>,
}

impl State {
    fn new(parts: Parts<'_>) -> PyResult<Self> {
        let Parts { fields, timezone, start_date, end_date, jitter } = parts;
        let zone = TimeZone::of(&timezone)?;
        let start = zone.optional_instant(&start_date, "start_date")?;
        let end = zone.optional_instant(&end_date, "end_date")?;
        let trigger =
            core::CronTrigger::new(fields, zone.core().clone(), start, end, args::jitter_micros(&jitter)?);
        let given = |value: Bound<'_, PyAny>| (!value.is_none()).then(|| value.unbind());
        Ok(Self {
            core: Arc::new(Trigger::Cron(Arc::new(trigger.map_err(to_py)?))),
            zone,
            start_date: given(start_date),
            end_date: given(end_date),
            jitter: given(jitter),
            fields: None,
        })
    }

    fn cron_fields(&self) -> &CronFields {
        match &*self.core {
            Trigger::Cron(trigger) => trigger.fields(),
            _ => unreachable!("State::new puts a cron trigger here"),
        }
    }
}

impl CronTrigger {
    fn state(&self) -> PyResult<&State> {
        self.state.as_ref().ok_or_else(|| not_initialized("CronTrigger"))
    }

    /// The core's trigger.
    pub fn core(&self) -> PyResult<Arc<Trigger>> {
        Ok(Arc::clone(&self.state()?.core))
    }

    /// The zone in which its fire times are shown.
    pub fn zone(&self) -> PyResult<Arc<TimeZone>> {
        Ok(Arc::clone(&self.state()?.zone))
    }

    /// The object of a trigger that was given neither dates nor a jitter.
    pub fn from_core(py: Python<'_>, core: &Arc<Trigger>, zone: &Arc<TimeZone>) -> PyResult<Py<PyAny>> {
        let (core, zone) = (Arc::clone(core), Arc::clone(zone));
        let state = State { core, zone, start_date: None, end_date: None, jitter: None, fields: None };
        let filled = PyClassInitializer::from(BaseTrigger)
            .add_subclass(Self { state: Some(state), mark: Mark::new(true) });
        Ok(Py::new(py, filled)?.into_any())
    }

    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        let state = self.state()?;
        let bound = |value: &Option<Py<PyAny>>| match value {
            Some(value) => value.bind(py).clone(),
            None => py.None().into_bound(py),
        };
        Ok(Parts {
            fields: state.cron_fields().clone(),
            timezone: state.zone.tzinfo(py).clone(),
            start_date: bound(&state.start_date),
            end_date: bound(&state.end_date),
            jitter: bound(&state.jitter),
        })
    }

    fn fill(slf: &Bound<'_, Self>, parts: Parts<'_>, fields: Option<Py<PyAny>>) -> PyResult<()> {
        let state = State { fields, ..State::new(parts)? };
        slf.borrow_mut().state = Some(state);
        Ok(())
    }

    fn change<'py>(slf: &Bound<'py, Self>, change: impl FnOnce(&mut Parts<'py>)) -> PyResult<()> {
        let mut parts = slf.borrow().parts(slf.py())?;
        let fields = slf.borrow().state()?.fields.as_ref().map(|fields| fields.clone_ref(slf.py()));
        change(&mut parts);
        Self::fill(slf, parts, fields)
    }
}

#[pymethods]
impl CronTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: (&str, &str, &str, &str, &str) = ("end_date", "fields", "jitter", "start_date", "timezone");

    #[classattr]
    #[pyo3(name = "FIELD_NAMES")]
    fn field_names(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(PyTuple::new(py, FieldName::ALL.map(FieldName::as_str))?.unbind())
    }

    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(year=None, month=None, day=None, week=None, day_of_week=None, hour=None, \
                          minute=None, second=None, start_date=None, end_date=None, timezone=None, jitter=None)"
    )]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(BaseTrigger).add_subclass(Self { state: None, mark: Mark::default() })
    }

    #[pyo3(signature = (
        year=None, month=None, day=None, week=None, day_of_week=None, hour=None, minute=None, second=None,
        start_date=None, end_date=None, timezone=None, jitter=None, **unknown
    ))]
    #[expect(clippy::too_many_arguments, reason = "APScheduler's signature")]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        year: Option<Bound<'py, PyAny>>,
        month: Option<Bound<'py, PyAny>>,
        day: Option<Bound<'py, PyAny>>,
        week: Option<Bound<'py, PyAny>>,
        day_of_week: Option<Bound<'py, PyAny>>,
        hour: Option<Bound<'py, PyAny>>,
        minute: Option<Bound<'py, PyAny>>,
        second: Option<Bound<'py, PyAny>>,
        start_date: Option<Bound<'py, PyAny>>,
        end_date: Option<Bound<'py, PyAny>>,
        timezone: Option<Bound<'py, PyAny>>,
        jitter: Option<Bound<'py, PyAny>>,
        unknown: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        args::refuse_unknown("CronTrigger", unknown, &ARGUMENTS)?;
        let py = slf.py();
        check_classes_of(&slf.get_type())?;
        let texts = [year, month, day, week, day_of_week, hour, minute, second]
            .map(|field| field.map(|field| text_of(&field.str()?)).transpose());
        let mut given: [Option<String>; 8] = Default::default();
        for (slot, text) in given.iter_mut().zip(texts) {
            *slot = text?;
        }
        let fields = CronFields::parse(given.each_ref().map(Option::as_deref)).map_err(to_py)?;

        let [start_date, end_date, timezone, jitter] = [start_date, end_date, timezone, jitter]
            .map(|arg| arg.unwrap_or_else(|| py.None().into_bound(py)));
        let timezone = HOME.zone(&timezone, [&start_date, &end_date])?;
        let parts = Parts {
            fields,
            start_date: args::convert_to_datetime(&start_date, &timezone, "start_date")?,
            end_date: args::convert_to_datetime(&end_date, &timezone, "end_date")?,
            timezone,
            jitter,
        };
        Self::fill(slf, parts, None).and_then(|()| live::made_anew(slf))
    }

    /// Return the trigger that a crontab line stands for.
    ///
    /// Numbers of weekdays count from Monday = 0, unlike in a crontab, where Sunday is 0.
    ///
    /// :param expr: minute, hour, day of month, month and day of week, separated by spaces
    /// :param timezone: the zone of the clock, a tzinfo or an IANA key; default the machine's
    /// :raises ValueError: if there are not five fields, or one is wrong
    ///
    /// >>> CronTrigger.from_crontab("0 8 * * mon-fri", "UTC").fields[4]
    /// DayOfWeekField('day_of_week', 'mon-fri')
    #[classmethod]
    #[pyo3(signature = (expr, timezone=None))]
    fn from_crontab<'py>(
        cls: &Bound<'py, PyType>,
        expr: &Bound<'py, PyAny>,
        timezone: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let values: Vec<Bound<'py, PyAny>> = expr.call_method0(intern!(cls.py(), "split"))?.extract()?;
        if values.len() != 5 {
            return Err(PyValueError::new_err(format!(
                "Wrong number of fields; got {}, expected 5",
                values.len()
            )));
        }
        let kwargs = PyDict::new(cls.py());
        for (name, value) in ["minute", "hour", "day", "month", "day_of_week"].iter().zip(values) {
            kwargs.set_item(name, value)?;
        }
        kwargs.set_item("timezone", timezone)?;
        cls.call((), Some(&kwargs))
    }

    /// Return the trigger that a Quartz expression stands for.
    ///
    /// Here weekdays count from Sunday = 1, as in Quartz, and ``?`` means any value.
    ///
    /// :param expr: second, minute, hour, day of month, month, day of week and optionally year, separated
    ///     by spaces
    /// :param timezone: the zone of the clock, a tzinfo or an IANA key; default the machine's
    /// :raises ValueError: if the expression is wrong or uses what is not supported
    ///
    /// >>> str(CronTrigger.from_quartz("0 30 8 ? * MON-FRI", "UTC"))
    /// "cron[month='*', day_of_week='mon-fri', hour='8', minute='30', second='0']"
    #[classmethod]
    #[pyo3(signature = (expr, timezone=None))]
    fn from_quartz<'py>(
        cls: &Bound<'py, PyType>,
        expr: &Bound<'py, PyString>,
        timezone: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let kwargs = PyDict::new(cls.py());
        for field in CronFields::from_quartz(&text::quotable(expr)?).map_err(to_py)?.as_slice() {
            if !field.is_default() {
                kwargs.set_item(field.name().as_str(), field.to_string())?;
            }
        }
        kwargs.set_item("timezone", timezone)?;
        cls.call((), Some(&kwargs))
    }

    /// The eight fields, the most significant first. To change them, set the whole list.
    #[getter]
    fn fields<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let fields = {
            let this = slf.borrow();
            let state = this.state()?;
            if let Some(fields) = &state.fields {
                return Ok(fields.bind(py).clone());
            }
            state.cron_fields().clone()
        };
        let classes = slf.get_type().getattr("FIELDS_MAP")?;
        let list = PyList::empty(py);
        for field in fields.as_slice() {
            let name = field.name().as_str();
            list.append(classes.get_item(name)?.call1((name, field.to_string(), field.is_default()))?)?;
        }
        let list = host::field_list(py)?.call1((list,))?;
        if let Some(state) = &mut slf.borrow_mut().state {
            state.fields = Some(list.clone().unbind());
        }
        Ok(list)
    }

    #[setter]
    fn set_fields<'py>(slf: &Bound<'py, Self>, fields: &Bound<'py, PyAny>) -> PyResult<()> {
        let mut parts = slf.borrow().parts(slf.py())?;
        parts.fields = read_fields(fields)?;
        let fields = host::field_list(slf.py())?.call1((fields,))?;
        Self::fill(slf, parts, Some(fields.unbind()))
    }

    /// The zone of the clock.
    #[getter]
    fn timezone(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.state()?.zone.tzinfo(py).clone().unbind())
    }

    #[setter]
    fn set_timezone<'py>(slf: &Bound<'py, Self>, timezone: &Bound<'py, PyAny>) -> PyResult<()> {
        let timezone = args::astimezone(timezone)?;
        Self::change(slf, |parts| parts.timezone = timezone)
    }

    /// Nothing fires before this; ``None`` for no start.
    #[getter]
    fn start_date<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.parts(py)?.start_date)
    }

    #[setter]
    fn set_start_date<'py>(slf: &Bound<'py, Self>, start_date: Bound<'py, PyAny>) -> PyResult<()> {
        Self::change(slf, |parts| parts.start_date = start_date)
    }

    /// Nothing fires after this; ``None`` for no end.
    #[getter]
    fn end_date<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.parts(py)?.end_date)
    }

    #[setter]
    fn set_end_date<'py>(slf: &Bound<'py, Self>, end_date: Bound<'py, PyAny>) -> PyResult<()> {
        Self::change(slf, |parts| parts.end_date = end_date)
    }

    /// How many seconds late a fire time may come.
    #[getter]
    fn jitter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.parts(py)?.jitter)
    }

    #[setter]
    fn set_jitter<'py>(slf: &Bound<'py, Self>, jitter: Bound<'py, PyAny>) -> PyResult<()> {
        Self::change(slf, |parts| parts.jitter = jitter)
    }

    /// Return the next time at which all fields match.
    ///
    /// :raises TypeError: if one of the times is naive
    #[pyo3(signature = (previous_fire_time, now))]
    fn get_next_fire_time<'py>(
        slf: &Bound<'py, Self>,
        previous_fire_time: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (core, zone) = {
            let this = slf.borrow();
            let state = this.state()?;
            (Arc::clone(&state.core), Arc::clone(&state.zone))
        };
        super::next_fire_time(slf.py(), &core, &zone, previous_fire_time, now)
    }

    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyList::new(slf.py(), Self::fields(slf)?.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        Self::state_with(slf, fields.into_any())
    }

    /// The state with a tuple for each field instead of an object: its name, its text, and whether it took its
    /// default. It is what job stores keep, and quicker to pickle and to read.
    fn _state_in_text<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let texts = PyList::empty(slf.py());
        for field in slf.borrow().state()?.cron_fields().as_slice() {
            texts.append((field.name().as_str(), field.to_string(), field.is_default()))?;
        }
        Self::state_with(slf, texts.into_any())
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let state = args::state_dict(state, slf, 2, "versions up to 2")?;
        let fields = args::required(&state, "fields")?;
        let parts = Parts {
            fields: read_fields(&fields)?,
            timezone: args::astimezone(&args::required(&state, "timezone")?)?,
            start_date: args::required(&state, "start_date")?,
            end_date: args::required(&state, "end_date")?,
            jitter: args::optional(&state, "jitter")?,
        };
        let in_text = fields.get_item(0).is_ok_and(|field| field.is_instance_of::<PyTuple>());
        let fields = match in_text {
            true => None,
            false => Some(host::field_list(slf.py())?.call1((fields,))?.unbind()),
        };
        Self::fill(slf, parts, fields).and_then(|()| live::made_anew(slf))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<args::Reduced<'py>> {
        args::reduce(slf)
    }

    fn __str__(&self) -> PyResult<String> {
        Ok(format!("cron[{}]", self.given_fields()?.join(", ")))
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let parts = slf.borrow().parts(slf.py())?;
        let mut options = slf.borrow().given_fields()?;
        args::push_common_options(&mut options, Some(&parts.start_date), &parts.end_date, &parts.jitter)?;
        let name = slf.get_type().name()?;
        text::format(slf.py(), "<%s (%s, timezone='%s')>", (name, options.join(", "), parts.timezone))
    }
}

impl CronTrigger {
    fn state_with<'py>(slf: &Bound<'py, Self>, fields: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let parts = slf.borrow().parts(slf.py())?;
        let state = PyDict::new(slf.py());
        state.set_item("version", 2)?;
        state.set_item("timezone", parts.timezone)?;
        state.set_item("start_date", parts.start_date)?;
        state.set_item("end_date", parts.end_date)?;
        state.set_item("fields", fields)?;
        state.set_item("jitter", parts.jitter)?;
        Ok(state)
    }

    fn given_fields(&self) -> PyResult<Vec<String>> {
        let fields = self.state()?.cron_fields().as_slice().iter();
        Ok(fields.filter(|f| !f.is_default()).map(|f| format!("{}='{f}'", f.name().as_str())).collect())
    }
}

fn text_of(string: &Bound<'_, PyString>) -> PyResult<String> {
    Ok(text::quotable(string)?.into_owned())
}

/// Refuses a subclass of `CronTrigger` with classes of fields that are not ours, whose text is all that is read.
fn check_classes_of(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    match class.getattr_opt("FIELDS_MAP")? {
        Some(classes) if !classes.is(host::field_classes(py)?) => {
            host::check_classes(py)?.call1((classes.call_method0("values")?,)).map(drop)
        }
        _ => Ok(()),
    }
}

/// The core's fields of a list of Python's field objects, by their names and texts, or of a list of tuples of
/// these.
fn read_fields(fields: &Bound<'_, PyAny>) -> PyResult<CronFields> {
    let mut read = Vec::with_capacity(8);
    for field in fields.try_iter()? {
        let field = field?;
        let (name, given, is_default) = match field.cast::<PyTuple>() {
            Ok(given) => given.extract::<(Bound<'_, PyString>, Bound<'_, PyString>, bool)>()?,
            Err(_) => {
                host::check_field(field.py())?.call1((&field,))?;
                (field.getattr("name")?.cast_into()?, field.str()?, field.getattr("is_default")?.is_truthy()?)
            }
        };
        let Some(name) = FieldName::ALL.into_iter().find(|known| name == known.as_str()) else {
            let known = ARGUMENTS[..8].join(", ");
            let message =
                text::format(name.py(), "unknown field %s; a cron trigger takes %s", (&name, known))?;
            return Err(PyValueError::new_err(message.unbind()));
        };
        let parsed = Field::parse(name, &text::quotable(&given)?).map_err(to_py)?;
        read.push(Field::new(name, parsed.exprs().to_vec(), is_default).map_err(to_py)?);
    }
    CronFields::from_fields(read).map_err(to_py)
}
