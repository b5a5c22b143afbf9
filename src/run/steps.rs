//! The run machine: the one place that says what a run does next, when a misfire is judged, and what is told when.
//!
//! The code that calls a job's function - on an event loop, in a worker thread, for an executor written in Python, in a
//! child process - asks [`next`] and says with [`settle`] what came of the call:
//!
//! ```text
//! next ─> too late? told as missed, and on to the next run time
//!      ─> 'Running job ...' ─> the function is called, and awaited ─> settle ─> next
//! settle ─> the slot is given back with the last run time ─> record and event
//! ```
//!
//! So a listener finds the job free. What is counted here is `mainspring_core`'s [`Steps`].

use mainspring_core::job::{Ended, Next, Settled, Steps};
use pyo3::prelude::*;

use crate::dispatch::run::Outcome;
use crate::py::imports;
use crate::run::env::is_interrupt;
use crate::run::report::{self, Teller};

/// A submission of a job on its way through its run times.
pub trait Submission<'py>: Teller<'py> {
    /// How far it has come.
    fn steps(&mut self) -> &mut Steps;

    /// Whether this process makes the run: the function, or a listener, may have forked, and this be the child.
    fn is_here(&self) -> bool;

    /// By how many microseconds a run time is too late, if it begins now.
    fn late(&mut self, index: usize) -> PyResult<Option<i64>>;

    /// Takes note that a run time begins.
    fn begins(&mut self, index: usize);

    /// Takes note that a run time has come to its end, and gives the instance slot back with the last. Before the log
    /// and the listeners are told.
    fn ends(&mut self, settled: Settled, ended: Ended, outcome: &Outcome<'py>);

    /// Takes note of what went wrong in telling. Fails only with what is to end the program, where that stops the run.
    fn despite(&self, told: PyResult<()>) -> PyResult<()>;

    /// Whether each run time is told of that a cancelled one takes with it.
    const TELLS_THE_REST: bool;
}

/// Goes on to the next run time that is not missed, for which the function is to be called. `None` at the end.
pub fn next<'py, S: Submission<'py>>(run: &mut S) -> PyResult<Option<usize>> {
    while run.is_here() {
        let steps = *run.steps();
        match steps.next(|index| run.late(index))? {
            Next::Done => break,
            Next::Missed(_, late) => {
                settle(run, &Outcome::Missed(late))?;
            }
            Next::Call(index) => {
                run.begins(index);
                let told = report::start(run, index);
                run.despite(told)?;
                return Ok(Some(index));
            }
        }
    }
    Ok(None)
}

/// Takes note of how the current run time ended, and tells of it. One that was cancelled, or that is to end the program,
/// takes the rest with it.
pub fn settle<'py, S: Submission<'py>>(run: &mut S, outcome: &Outcome<'py>) -> PyResult<Ended> {
    let ended = how_it_ended(run.py(), outcome);
    settle_one(run, ended, outcome)?;
    if ended.ends_submission() {
        if S::TELLS_THE_REST {
            while run.steps().current().is_some() {
                settle_one(run, ended, outcome)?;
            }
        }
        run.steps().give_up();
    }
    Ok(ended)
}

fn settle_one<'py>(run: &mut impl Submission<'py>, ended: Ended, outcome: &Outcome<'py>) -> PyResult<()> {
    let Some(settled) = run.steps().settle().filter(|_| run.is_here()) else { return Ok(()) };
    run.ends(settled, ended, outcome);
    let logged = report::log_end(run, ended, outcome);
    let logged = run.despite(logged);
    // A logger that fails keeps no listener from being told.
    let sent = report::send_end(run, settled.index, outcome);
    let sent = run.despite(sent);
    run.forget_context();
    logged.and(sent)
}

fn how_it_ended(py: Python<'_>, outcome: &Outcome<'_>) -> Ended {
    match outcome {
        Outcome::Returned(_) => Ended::Executed,
        Outcome::Missed(_) => Ended::Missed,
        Outcome::Raised(error) => {
            let is_cancelled = |class| error.value(py).is_instance(class).unwrap_or(false);
            match imports::cancelled_error(py) {
                Ok(class) if is_cancelled(class) => Ended::Cancelled,
                _ if is_interrupt(py, error) => Ended::Interrupted,
                _ => Ended::Error,
            }
        }
    }
}
