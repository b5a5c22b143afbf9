//! Whose turn it is, among the workers of a pool, to wait for Python: only one of them does at a time.
//!
//! Only one thread runs Python code at a time, and who waits for it is served in no order of ours: an event loop among ten
//! workers would wait for ten of them. So workers that are between two runs wait here, and one of those at a time competes
//! with the loop.
//!
//! Ground rules: a thread takes the turn while it is detached from Python, and gives it away as soon as it is attached;
//! it runs no Python code meanwhile. A forked child leaves pool and turn to its parent.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Turn {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    taken: bool,
    /// How many threads wait for it: to tell none costs a system call, too.
    waiting: usize,
}

impl Turn {
    /// Waits for the turn. To be called detached.
    pub fn take(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        while state.taken {
            state = self.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state.taken = true;
    }

    /// Lets the next have it.
    pub fn give(&self) {
        let mut state = self.lock();
        state.taken = false;
        let somebody_waits = state.waiting > 0;
        drop(state);
        if somebody_waits {
            self.free.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
