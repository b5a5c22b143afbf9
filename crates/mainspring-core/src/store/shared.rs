//! A memory store that several threads share, and that wakes the engine when an earlier deadline comes.
//!
//! Ground rules: the lock is held for the length of one operation and never while code of the host runs;
//! whatever the operation takes out of the store is dropped by the caller after the lock is released. The
//! engine is woken after the lock is released, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{MemoryStore, Sweep};
use crate::dispatch::Item;
use crate::engine::Waker;
use crate::time::UtcMicros;

/// A [`MemoryStore`] behind a lock.
#[derive(Debug)]
pub struct SharedStore<P> {
    store: Mutex<MemoryStore<P>>,
    waker: Mutex<Option<Arc<Waker>>>,
}

impl<P> SharedStore<P> {
    /// Shares `store`.
    pub fn new(store: MemoryStore<P>) -> Self {
        Self { store: Mutex::new(store), waker: Mutex::new(None) }
    }

    /// Names the engine to wake when an earlier deadline comes, or none.
    pub fn set_waker(&self, waker: Option<Arc<Waker>>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }

    /// Reads the store. `read` must not call the host.
    pub fn read<R>(&self, read: impl FnOnce(&MemoryStore<P>) -> R) -> R {
        read(&self.lock())
    }

    /// Changes the store, and wakes the engine if it sleeps past the store's next deadline. `change` must
    /// not call the host, and must return what it takes out of the store.
    pub fn change<R>(&self, change: impl FnOnce(&mut MemoryStore<P>) -> R) -> R {
        let (result, deadline) = {
            let mut store = self.lock();
            let result = change(&mut store);
            (result, store.next_deadline())
        };
        if let Some(deadline) = deadline {
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waker) = waker.as_ref() {
                waker.wake_before(deadline);
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, MemoryStore<P>> {
        // A panic inside an operation is a bug, but one that must not take every later call with it.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Send> Sweep for SharedStore<P> {
    fn sweep(&self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        self.lock().sweep(now, limit, out)
    }
}
