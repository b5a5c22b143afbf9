//! Threads for what the timer thread leaves to others, since it would have to wait for Python.
//!
//! Ground rules: there is one thread at a time for one purpose. It is joined when the engine stops, unless it is
//! itself what stops it.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::prelude::*;

use crate::process::exit::Inside;

/// One purpose, and the thread that is at it.
#[derive(Default)]
pub struct Aside {
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Aside {
    /// Calls `call` in a thread of its own, attached to Python, unless an earlier call goes on.
    pub fn start(&self, name: &str, call: impl FnOnce(Python<'_>) + Send + 'static) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let attached = move || {
            let Some(_inside) = Inside::enter() else { return };
            // `None`: the interpreter is gone, and with it whatever there was to do.
            let _done: Option<()> = Python::try_attach(call);
        };
        // Without a thread now, the engine's next tick tries again.
        *thread = std::thread::Builder::new().name(name.into()).spawn(attached).ok();
    }

    /// Waits for a call that goes on, but for one that is itself the caller.
    pub fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // It returns nothing, and what Python raised in it has been reported.
            drop(thread.join());
        }
    }
}
