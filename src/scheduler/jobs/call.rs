//! `Call`: what one call of a scheduler's method looks up once, however many jobs it adds.
//!
//! Ground rules: a call is one thread's, which is attached to Python. What it has looked up holds to its end,
//! also where Python code that runs meanwhile (a callable's own `__signature__`, say) would have it otherwise.

use std::cell::OnceCell;

use mainspring_core::UtcMicros;
use mainspring_core::job::due;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Open;
use super::spec::Argument;
use crate::py::host;
use crate::py::text;
use crate::scheduler::engine::Engine;
use crate::time::datetime::Std;
use crate::trigger::{
    CalendarIntervalTrigger, CronTrigger, DateTrigger, IntervalTrigger, PythonJitter, WallClock,
};

/// One call of a scheduler's method.
pub struct Call<'a, 'py> {
    pub py: Python<'py>,
    pub open: &'a Open,
    pub engine: &'a Engine,
    /// Which call it is; no other call on the same scheduler has this number.
    pub number: u64,
    now: OnceCell<Option<UtcMicros>>,
    wall_clock: OnceCell<Option<WallClock<'a>>>,
    /// The alias that was looked up last, and its class.
    class: Option<(Bound<'py, PyString>, Class<'py>)>,
    /// Room to put the arguments of a trigger in, and to write the key of a cron trigger in.
    pub arguments: Vec<Argument<'py>>,
    pub key: Vec<u8>,
}

/// One of our trigger classes.
#[derive(Clone)]
pub struct Class<'py> {
    pub object: Bound<'py, PyAny>,
    pub kind: Kind,
}

/// Which of our trigger classes it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Interval,
    Cron,
    Other,
}

impl<'a, 'py> Call<'a, 'py> {
    pub fn new(py: Python<'py>, open: &'a Open, engine: &'a Engine) -> Self {
        Self {
            py,
            open,
            engine,
            number: open.next_call(),
            now: OnceCell::new(),
            wall_clock: OnceCell::new(),
            class: None,
            arguments: Vec::new(),
            key: Vec::new(),
        }
    }

    /// The time now; `None` where a test has replaced the clock that Python reads.
    pub fn now(&self) -> PyResult<Option<UtcMicros>> {
        if let Some(now) = self.now.get() {
            return Ok(*now);
        }
        let datetime = host::SCHEDULERS.datetime(self.py)?;
        let ours = datetime.is(&Std::get(self.py)?.datetime);
        let now = ours.then(|| self.engine.hub().clock.now());
        Ok(*self.now.get_or_init(|| now))
    }

    /// The time now on the clock on the wall, for interval triggers; `None` where a test has replaced one of their
    /// clocks.
    pub fn wall_clock(&self) -> PyResult<Option<WallClock<'a>>> {
        if let Some(clock) = self.wall_clock.get() {
            return Ok(*clock);
        }
        let clock = match self.now()? {
            Some(now) => WallClock::of(self.py, &self.open.zone, now)?,
            None => None,
        };
        Ok(*self.wall_clock.get_or_init(|| clock))
    }

    /// The fire time after now of a trigger that needs no Python; the outer `None` where it does. It is none up
    /// to `last`: see [`due::from_now`].
    pub fn next(&self, trigger: &Trigger, last: Option<UtcMicros>) -> PyResult<Option<Option<UtcMicros>>> {
        let Some(now) = self.now()?.filter(|_| !trigger.needs_host()) else { return Ok(None) };
        let mut jitter = PythonJitter::new(self.py);
        let next = due::from_now(trigger, last, now, &mut jitter);
        jitter.or_raised(next).map(Some)
    }

    /// The trigger class that `alias` stands for; `None` if it is none of ours, which may be made once only.
    pub fn class(&mut self, alias: &Bound<'py, PyString>) -> PyResult<Option<Class<'py>>> {
        if let Some((_, class)) = self.class.as_ref().filter(|(known, _)| known.is(alias)) {
            return Ok(Some(class.clone()));
        }
        let py = self.py;
        let object = match self.open.trigger_classes.bind(py).get_item(alias)? {
            Some(class) => class,
            None => match &*text::of(alias)? {
                "interval" => py.get_type::<IntervalTrigger>().into_any(),
                "cron" => py.get_type::<CronTrigger>().into_any(),
                "date" => py.get_type::<DateTrigger>().into_any(),
                _ => return Ok(None),
            },
        };
        let kind = if object.is(py.get_type::<IntervalTrigger>()) {
            Kind::Interval
        } else if object.is(py.get_type::<CronTrigger>()) {
            Kind::Cron
        } else if object.is(py.get_type::<DateTrigger>())
            || object.is(py.get_type::<CalendarIntervalTrigger>())
        {
            Kind::Other
        } else {
            return Ok(None);
        };
        let class = Class { object, kind };
        self.class = Some((alias.clone(), class.clone()));
        Ok(Some(class))
    }
}
