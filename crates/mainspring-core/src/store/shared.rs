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

    /// Names the engine to wake when an earlier deadline comes, or none. It is woken at once, too, for the
    /// deadlines that came before.
    pub fn set_waker(&self, waker: Option<Arc<Waker>>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Reads the store. `read` must not call the host.
    pub fn read<R>(&self, read: impl FnOnce(&MemoryStore<P>) -> R) -> R {
        read(&self.lock())
    }

    /// Changes the store, and wakes the engine if it sleeps past the store's next deadline. `change` must
    /// not call the host, and must return what it takes out of the store.
    pub fn change<R>(&self, change: impl FnOnce(&mut MemoryStore<P>) -> R) -> R {
        // Dropped after the lock is released, on the way out.
        let _discarded;
        let (result, deadline) = {
            let mut store = self.lock();
            let result = change(&mut store);
            _discarded = store.take_discarded();
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

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, Weak};

    use super::super::NewJob;
    use super::*;
    use crate::error::Error;
    use crate::job::RunPolicy;
    use crate::trigger::{HostTrigger, Trigger};

    /// Notes when it is dropped, and whether the store was locked then.
    #[derive(Debug)]
    struct Watch {
        store: Weak<SharedStore<()>>,
        locked: Arc<OnceLock<bool>>,
    }

    impl HostTrigger for Watch {
        fn next_fire_time(&self, _: Option<UtcMicros>, _: UtcMicros) -> Result<Option<UtcMicros>, Error> {
            Ok(None)
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            let store = self.store.upgrade().unwrap();
            self.locked.set(store.store.try_lock().is_err()).unwrap();
        }
    }

    #[test]
    fn a_trigger_of_the_host_is_dropped_after_the_lock_is_released() {
        let store = Arc::new(SharedStore::new(MemoryStore::new(1)));
        let locked = Arc::new(OnceLock::new());
        let watch = Watch { store: Arc::downgrade(&store), locked: Arc::clone(&locked) };
        let job = NewJob {
            id: "a".into(),
            trigger: Arc::new(Trigger::Host(Arc::new(watch))),
            policy: RunPolicy::default(),
            route: 0,
            next: None,
            payload: (),
        };
        store.change(|s| s.add(job)).unwrap();
        assert_eq!(locked.get(), None);
        store.change(|s| s.remove("a")).unwrap();
        assert_eq!(locked.get(), Some(&false));
    }

    #[test]
    fn a_panic_in_an_operation_leaves_the_store_usable() {
        let store = SharedStore::new(MemoryStore::<()>::new(1));
        let panics = || store.change(|_| panic!("a bug"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert!(store.read(MemoryStore::is_empty));
    }
}
