//! A run in a worker thread: calls the job's function there, and sends what it returns to a loop if that is awaitable.

use mainspring_core::engine::Firing;

use crate::dispatch::loop_queue::Work;
use crate::dispatch::run::{Outcome, Run};
use crate::run::awaitables;
use crate::run::current::InThisThread;
use crate::run::env::Env;
use crate::worker::carried;
use crate::worker::thread_loop::ThreadLoop;

/// Runs a firing in a worker thread. An awaitable result goes on to the event loop, run and all.
pub fn run_in_worker(env: &Env<'_>, firing: Firing, thread_loop: &mut ThreadLoop) {
    let Some(run) = Run::begin(env, firing) else { return };
    let run = match env.submit_is_replaced() {
        true => carried::carry(env, run),
        false => Some(run),
    };
    if let Some(run) = run {
        go_through(env, run, thread_loop);
    }
}

/// Goes through a run in a worker thread.
pub fn go_through(env: &Env<'_>, mut run: Run, thread_loop: &mut ThreadLoop) {
    let (py, hub) = (env.py, &env.hub);
    let here = InThisThread::enter(py, hub, &run.seen.id);
    run.tell_submitted(env);
    while run.next(env) {
        let context = run.context(env);
        env.never_fails(thread_loop.before_run(env));
        let result = context.and_then(|context| run.seen.record.call_in(&context));
        env.never_fails(thread_loop.after_run(py));
        here.tell_unawaited();
        match result {
            Ok(value) if awaitables::is_awaitable(&value).unwrap_or(false) => {
                if !hub.origin.is_here() {
                    // It has forked, and this is the child: here is no loop to await it on.
                    awaitables::leave(env, &value);
                    return;
                }
                let coroutines = hub.coroutines();
                coroutines.push(vec![Work::Await(Box::new(run), value.unbind())]);
                if !coroutines.has_loop() {
                    // Asked only now: a thread that takes the loop away looks into the queue after that.
                    awaitables::abandon_queued(env, &coroutines, awaitables::SHUT_DOWN);
                }
                return;
            }
            result => {
                run.settle(env, &Outcome::of(result));
            }
        }
    }
}
