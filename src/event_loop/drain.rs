//! What an event loop's inbox does on the loop's thread: the drain, which runs what is queued.
//!
//! A drain goes on for at most [`BUDGET`]; one that ends early - at the end of its time, or with an exception -
//! loses nothing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Coroutines, Firing, Item, Placement};
use pyo3::prelude::*;

use crate::dispatch::hub::{Destination, Hub};
use crate::dispatch::loop_queue::{Inbox, Work};
use crate::dispatch::run::Run;
use crate::event_loop::inbox::LoopInbox;
use crate::event_loop::task::TaskStarter;
use crate::job::record::Route;
use crate::process::fork::Origin;
use crate::run::env::Env;
use crate::run::{awaitables, notices};

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
        // The scheduler is gone, and with it the engine whose runs these are.
        for work in inbox.take_all() {
            if let Work::Await(_, awaitable) = work {
                awaitables::close(awaitable.bind(py))?;
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
                awaitables::abandon_queued(&env, inbox, awaitables::SHUT_DOWN);
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
pub fn drive(slf: &Bound<'_, LoopInbox>, next: impl Fn(&Destination) -> Option<Item>) -> PyResult<()> {
    let (inbox, hub) = (&slf.get().inbox, &slf.get().hub);
    let Some(env) = Env::at_loop(slf.py(), hub, inbox) else { return Ok(()) };
    let here = Destination::Inbox(Arc::clone(inbox));
    let suspended = inbox.lock_tasks().len();
    let tasks = TaskStarter::new(slf, &env)?;
    let end = Instant::now() + BUDGET;
    while let Some(item) = next(&here) {
        // An executor written in Python goes on with a run in its own way.
        let submits = match &item {
            Item::Run(firing) => !placement(&env, inbox, firing).is_on_loop(),
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

/// Where a firing runs that has come to this loop.
fn placement(env: &Env<'_>, inbox: &Inbox, firing: &Firing) -> Placement {
    let route = Route::unpack(firing.route);
    let Ok(executor) = env.executor(route.executor) else { return Placement::Asked };
    let coroutines = match env.hub.runs_coroutines_on(inbox) {
        true => Coroutines::Here,
        // A coroutine that has come to this loop stays, also where others go to another by now.
        false => Coroutines::Elsewhere,
    };
    Placement::of(route.coroutine, executor.runner, coroutines)
}

/// Begins a run. Fails only with the user's interrupt.
fn begin<'py>(env: &Env<'py>, tasks: &TaskStarter<'_, 'py>, inbox: &Inbox, firing: Firing) -> PyResult<()> {
    let placement = placement(env, inbox, &firing);
    if !placement.is_on_loop() {
        // Its executor goes on with it, also where the pool has refused it.
        notices::tell(env, Work::Item(Item::Run(firing)));
        return Ok(());
    }
    let Some(mut run) = Run::begin(env, firing) else { return Ok(()) };
    inbox.take_in_hand(&run.firing);
    if placement == Placement::Task {
        if run.firing.last {
            // Before its submission is told, as APScheduler does.
            notices::tell_end(env, &run.store, run.firing.key, &run.seen.id);
        }
        run.tell_submitted(env);
        return tasks.run(run);
    }
    // What the run entails is told before its submission is, as of an executor that calls functions at once.
    let Firing { store, key, last, .. } = run.firing;
    let submitted = run.submitted(env);
    let result = tasks.run(run);
    if last {
        notices::ended(env, store, key);
    }
    if let Some((event, context)) = submitted {
        env.later(event, context);
    }
    result
}

/// Handles one piece of work on the loop's thread. Fails only with the user's interrupt.
fn handle<'py>(env: &Env<'py>, tasks: &TaskStarter<'_, 'py>, inbox: &Inbox, work: Work) -> PyResult<()> {
    match work {
        Work::Item(Item::Run(firing)) => begin(env, tasks, inbox, firing)?,
        Work::Await(run, awaitable) => {
            inbox.take_in_hand(&run.firing);
            tasks.go_on(*run, Ok(awaitable.into_bound(env.py)))?;
        }
        work => notices::tell(env, work),
    }
    Ok(())
}
