//! The event loop setting of a worker thread: before each run the thread's current loop is the scheduler's
//! proxy, whatever was set or closed in the run before; so it is again in a run that has set none.
//!
//! `_loops.current.keep` is called only where something has changed. Otherwise a run costs two looks: is
//! the event loop policy still the one that was set, and does the policy's own thread-local dictionary still
//! hold the proxy? A policy that keeps its loops in another place is told before every run.
//!
//! Ground rules: all of it belongs to one worker thread, attached to Python.

use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::dispatch::hub::Hub;
use crate::py::host::{self, cpython};
use crate::run::env::Env;

/// What one worker thread knows of its loop setting.
#[derive(Default)]
pub struct ThreadLoop {
    /// Whose proxy this is.
    hub: Weak<Hub>,
    setting: Option<Setting>,
}

struct Setting {
    proxy: Py<PyAny>,
    policy: Option<Py<PyAny>>,
    /// Where `policy` keeps this thread's loop, under `_loop`.
    local: Option<Py<PyDict>>,
}

impl ThreadLoop {
    /// Makes the proxy of the scheduler the thread's current loop, if it wants one.
    pub fn before_run(&mut self, env: &Env<'_>) -> PyResult<()> {
        let py = env.py;
        if !std::ptr::eq(self.hub.as_ptr(), Arc::as_ptr(&env.hub)) {
            let proxy = env.scheduler.thread_loop()?;
            self.hub = Arc::downgrade(&env.hub);
            self.setting =
                (!proxy.is_none()).then(|| Setting { proxy: proxy.unbind(), policy: None, local: None });
        }
        match &mut self.setting {
            Some(setting) if !setting.policy_is_known(py)? => setting.set(py),
            _ => Ok(()),
        }
    }

    /// Undoes what the run has set.
    pub fn after_run(&mut self, py: Python<'_>) -> PyResult<()> {
        match &mut self.setting {
            Some(setting) if !setting.loop_is_set(py)? => setting.set(py),
            _ => Ok(()),
        }
    }
}

impl Setting {
    fn policy_is_known(&self, py: Python<'_>) -> PyResult<bool> {
        let policy = cpython::event_loop_policy(py)?;
        Ok(match (policy, &self.policy) {
            (Some(policy), Some(known)) => policy.is(known) && self.local.is_some(),
            _ => false,
        })
    }

    fn loop_is_set(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(local) = &self.local else { return Ok(false) };
        let event_loop = cpython::loop_in_local(local.bind(py))?;
        Ok(event_loop.is_some_and(|event_loop| event_loop.is(&self.proxy)))
    }

    fn set(&mut self, py: Python<'_>) -> PyResult<()> {
        host::keep_current_loop(py)?.call1((&self.proxy,))?;
        let policy = cpython::event_loop_policy(py)?;
        self.local = policy.as_ref().and_then(cpython::local_of_policy).map(Bound::unbind);
        self.policy = policy.map(Bound::unbind);
        if !self.loop_is_set(py)? {
            self.local = None;
        }
        Ok(())
    }
}
