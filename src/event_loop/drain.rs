//! What an event loop's inbox does on the loop's thread: the drain, which runs what is queued.
//!
//! A drain goes on for at most [`BUDGET`]; one that ends early - at the end of its time, or with an exception -
//! loses nothing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainspring_core::UtcMicros;
use mainspring_core::engine::Item;
use pyo3::prelude::*;

use crate::dispatch::hub::{Hub, Place};
use crate::dispatch::loop_queue::{Inbox, Work};
use crate::dispatch::run::Run;
use crate::event_loop::inbox::LoopInbox;
use crate::event_loop::task::TaskStarter;
use crate::job::record::Route;
use crate::process::fork::Origin;
use crate::run::report::Env;
use crate::run::steps;

/// How long one drain may keep the loop from its own callbacks, a run that blocks not counted.
const BUDGET: Duration = Duration::from_millis(1);

/// Work taken from the queue; what is not done goes back.
struct Chunk<'a> {
    inbox: &'a Inbox,
    origin: Origin,
    work: VecDeque<Work>,
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            // After a fork the rest is done by the parent.
            std::mem::forget(std::mem::take(&mut self.work));
            return;
        }
        self.inbox.lay_down();
        if !self.work.is_empty() {
            self.inbox.put_back(&mut self.work);
        }
    }
}

/// The time of one drain.
enum Budget {
    /// By the clock that judges the runs, which so is looked at once a run.
    Wall(Range<UtcMicros>),
    /// By another, where that stands still.
    Monotonic(Instant),
}

impl Budget {
    fn new(hub: &Hub) -> Self {
        if !hub.driver.is_the_systems() {
            return Self::Monotonic(Instant::now() + BUDGET);
        }
        let begin = hub.clock.now();
        Self::Wall(begin..begin.saturating_add(BUDGET.as_micros() as i64))
    }

    /// Asked between two runs.
    fn is_spent(&self, env: &Env<'_>) -> bool {
        match self {
            // A clock that has stepped ends the drain.
            Self::Wall(time) => !time.contains(&env.batch.read_clock(&env.hub)),
            Self::Monotonic(end) => Instant::now() >= *end,
        }
    }
}

/// What a drain does; `Ok` when the queue is empty or the time is up, or when it is no longer `wanted`.
pub fn drain(slf: &Bound<'_, LoopInbox>, wanted: impl Fn() -> bool) -> PyResult<()> {
    let py = slf.py();
    let (inbox, hub) = (&slf.get().inbox, &slf.get().hub);
    if !hub.origin.is_here() {
        // A child that runs its parent's loop. The descriptor is the parent's to clear.
        return Ok(());
    }
    let Some(env) = Env::at_loop(py, hub, inbox) else {
        // The scheduler is gone, and with it whoever could run this.
        for work in inbox.take_all() {
            if let Work::Await(_, awaitable) = work {
                steps::close(awaitable.bind(py))?;
            }
        }
        return Ok(());
    };
    let env = env.for_many();
    let budget = Budget::new(hub);
    let mut chunk = Chunk { inbox, origin: hub.origin, work: VecDeque::new() };
    let tasks = TaskStarter::new(slf, &env)?;
    loop {
        inbox.take(&mut chunk.work);
        if chunk.work.is_empty() {
            env.dispatch_later();
            return env.interrupted();
        }
        env.batch.read_ahead(hub, &chunk.work);
        while let Some(work) = chunk.work.pop_front() {
            if !wanted() {
                // The loop was taken away meanwhile, by a thread that has looked into the queue already.
                chunk.work.push_front(work);
                drop(chunk);
                steps::abandon_queued(&env, inbox, steps::SHUT_DOWN);
                return env.interrupted();
            }
            handle(&env, &tasks, inbox, work)?;
            inbox.lay_down();
            if let Err(interrupt) = env.interrupted() {
                env.dispatch_later();
                return Err(interrupt);
            }
            if !hub.origin.is_here() {
                // The job has forked, and this is the child.
                return Ok(());
            }
            if budget.is_spent(&env) {
                env.dispatch_later();
                // Even with nothing left here: the next drain finds the queue empty and disarms.
                let mut rest = std::mem::take(&mut chunk.work);
                inbox.put_back(&mut rest);
                return env.interrupted();
            }
        }
    }
}

/// Handles what is `next`, item by item, for as long as that belongs to this loop and ends at once.
pub fn drive(slf: &Bound<'_, LoopInbox>, next: impl Fn(&Place) -> Option<Item>) -> PyResult<()> {
    let (inbox, hub) = (&slf.get().inbox, &slf.get().hub);
    let Some(env) = Env::at_loop(slf.py(), hub, inbox) else { return Ok(()) };
    let here = Place::Inbox(Arc::clone(inbox));
    let suspended = inbox.lock_tasks().len();
    let tasks = TaskStarter::new(slf, &env)?;
    let end = Instant::now() + BUDGET;
    while let Some(item) = next(&here) {
        // An executor written in Python goes on with a run in its own way.
        let submits = match &item {
            Item::Run(firing) => {
                let executor = env.executor(Route::unpack(firing.route).executor);
                !executor.is_ok_and(|executor| executor.native)
            }
            _ => false,
        };
        let handled = handle(&env, &tasks, inbox, Work::Item(item));
        inbox.lay_down();
        env.dispatch_later();
        handled?;
        env.interrupted()?;
        let goes_on = inbox.lock_tasks().len() != suspended || hub.has_work_for_loops();
        if submits || goes_on || Instant::now() >= end {
            break;
        }
    }
    Ok(())
}

/// Handles one piece of work on the loop's thread. Fails only with the user's interrupt.
fn handle<'py>(env: &Env<'py>, tasks: &TaskStarter<'_, 'py>, inbox: &Inbox, work: Work) -> PyResult<()> {
    match work {
        Work::Item(Item::Run(firing)) if Route::unpack(firing.route).coroutine => {
            let executor = env.executor(Route::unpack(firing.route).executor);
            if !executor.is_ok_and(|executor| executor.native) {
                steps::handle_item(env, Item::Run(firing));
            } else if let Some(mut run) = Run::begin(env, firing) {
                if run.firing.last {
                    // Before its submission is told, as APScheduler does.
                    steps::tell_end(env, &run.store, run.firing.key, &run.seen.id);
                }
                inbox.take_in_hand(&run.firing);
                env.never_fails(run.tell_submitted(env));
                tasks.run(run)?;
            }
        }
        Work::Item(item) => steps::handle_item(env, item),
        Work::NoticesDropped(count) => env.never_fails(steps::notices_dropped(env, count)),
        Work::Event(event, context) => env.never_fails(steps::told(env, &event, context.as_ref())),
        Work::Await(run, awaitable) => {
            inbox.take_in_hand(&run.firing);
            tasks.go_on(*run, Ok(awaitable.into_bound(env.py)))?;
        }
    }
    Ok(())
}
