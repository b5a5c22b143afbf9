//! A memory store that several threads share, and that wakes the engine when an earlier deadline comes.
//!
//! Ground rules: the lock is held for the length of one operation and never while code of the host runs;
//! whatever the operation takes out of the store is dropped by the caller after the lock is released. The
//! engine is woken after the lock is released, too.
//!
//! A thread that ends many runs need not wait for the lock with each: what is [given back](SharedStore::give_back)
//! waits in `given_back`, whose lock is held for single moves, and reaches the store with the next operation,
//! before that. So no caller sees a difference, but payloads are dropped a little later, by the thread that
//! [settles](SharedStore::settle) or changes the store; a read, which may be made under other locks, drops nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::{Discarded, GivenBack, MemoryStore};
use crate::engine::{Item, Sweep, Waker};
use crate::job::{Ended, Fire};
use crate::time::UtcMicros;

/// How often the engine looks whether the threads that wait for the lock have had it.
const TURNS_LEFT: usize = 1_000;

/// A [`MemoryStore`] behind a lock.
#[derive(Debug)]
pub struct SharedStore<P> {
    store: Mutex<MemoryStore<P>>,
    given_back: Mutex<Vec<GivenBack>>,
    /// Whether the store has something that only the caller of a change may drop.
    discarded: AtomicBool,
    /// How often [`SharedStore::change`] has been called.
    changes: AtomicU64,
    /// How many threads wait for the lock of `store`, but for the engine's.
    waiting: AtomicUsize,
    waker: Mutex<Option<Arc<Waker>>>,
}

impl<P> SharedStore<P> {
    /// Shares `store`.
    pub fn new(store: MemoryStore<P>) -> Self {
        Self {
            store: Mutex::new(store),
            given_back: Mutex::default(),
            discarded: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            waker: Mutex::new(None),
        }
    }

    /// Names the engine to wake when an earlier deadline comes, or none. It is woken at once, too, for the
    /// deadlines that came before.
    pub fn set_waker(&self, waker: Option<Arc<Waker>>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Reads the store. `read` must not call the host. Nothing is dropped here.
    pub fn read<R>(&self, read: impl FnOnce(&MemoryStore<P>) -> R) -> R {
        let (store, told) = self.lock();
        let result = read(&store);
        let deadline = if told { store.next_deadline() } else { None };
        drop(store);
        self.wake_before(deadline);
        result
    }

    /// Changes the store, and wakes the engine if it sleeps past the store's next deadline. `change` must
    /// not call the host, and must return what it takes out of the store.
    pub fn change<R>(&self, change: impl FnOnce(&mut MemoryStore<P>) -> R) -> R {
        self.operate(|store| {
            self.changes.fetch_add(1, Ordering::Relaxed);
            change(store)
        })
    }

    /// Gives back one instance slot of the job, at once: see [`MemoryStore::finish`].
    pub fn finish(&self, fire: Fire, ended: Ended) -> Option<P> {
        self.operate(|store| store.finish(fire, ended))
    }

    /// Gives back what is owned without waiting for the store, which any other operation tells of it.
    pub fn give_back(&self, given: impl IntoIterator<Item = GivenBack>) {
        self.lock_given_back().extend(given);
    }

    /// Tells the store what was given back, and drops what is needed no more.
    pub fn settle(&self) {
        let given_back = !self.lock_given_back().is_empty();
        if given_back || self.discarded.load(Ordering::SeqCst) {
            self.operate(|_| ());
        }
    }

    /// A number that is another one after every [`SharedStore::change`], to know by what was read before. To be
    /// asked while the store is read.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn operate<R>(&self, change: impl FnOnce(&mut MemoryStore<P>) -> R) -> R {
        // Dropped after the lock is released, on the way out.
        let _discarded: Discarded<P>;
        let (result, deadline) = {
            let (mut store, _) = self.lock();
            let result = change(&mut store);
            _discarded = store.take_discarded();
            self.discarded.store(false, Ordering::SeqCst);
            (result, store.next_deadline())
        };
        self.wake_before(deadline);
        result
    }

    fn wake_before(&self, deadline: Option<UtcMicros>) {
        let Some(deadline) = deadline else { return };
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waker.as_ref() {
            waker.wake_before(deadline);
        }
    }

    /// Locks the store, which then knows all that was given back; says whether that was anything.
    fn lock(&self) -> (MutexGuard<'_, MemoryStore<P>>, bool) {
        // A panic inside an operation is a bug, but one that must not take every later call with it.
        let store = match self.store.try_lock() {
            Ok(store) => store,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                store
            }
        };
        self.up_to_date(store)
    }

    fn up_to_date<'a>(
        &self,
        mut store: MutexGuard<'a, MemoryStore<P>>,
    ) -> (MutexGuard<'a, MemoryStore<P>>, bool) {
        let mut given_back = self.lock_given_back();
        let told = !given_back.is_empty();
        store.take_back(given_back.drain(..));
        if told && store.has_discarded() {
            self.discarded.store(true, Ordering::SeqCst);
        }
        drop(given_back);
        (store, told)
    }

    fn lock_given_back(&self) -> MutexGuard<'_, Vec<GivenBack>> {
        self.given_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Send> Sweep for SharedStore<P> {
    fn sweep(&self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        // A sweep of many passes would take the lock again before a thread that waits is awake.
        for _ in 0..TURNS_LEFT {
            if self.waiting.load(Ordering::SeqCst) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        self.up_to_date(store).0.sweep(now, limit, out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, Weak};

    use super::super::NewJob;
    use super::super::conformance::samples::fire;
    use super::*;
    use crate::engine::Firing;
    use crate::error::Error;
    use crate::job::{JobKey, RunPolicy};
    use crate::trigger::{DateTrigger, HostTrigger, Trigger};

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

    const DUE: UtcMicros = UtcMicros::MIN;

    /// A store with a job that is due at once and may run once at a time, and its key.
    fn due_once<P: std::fmt::Debug>(payload: P) -> (SharedStore<P>, JobKey) {
        let store = SharedStore::new(MemoryStore::new(1));
        let job = NewJob {
            id: "a".into(),
            trigger: Arc::new(Trigger::Date(DateTrigger::new(DUE))),
            policy: RunPolicy::default(),
            route: 0,
            next: Some(DUE),
            payload,
        };
        let key = store.change(|s| s.add(job)).unwrap();
        (store, key)
    }

    #[test]
    fn what_is_given_back_is_known_to_the_next_operation() {
        let (store, key) = due_once(());
        let mut out = Vec::new();
        store.sweep(DUE, 9, &mut out);
        assert!(matches!(out[..], [Item::Run(Firing { last: true, .. })]));
        store.give_back([GivenBack::Slot(fire(key), Ended::Executed)]);
        assert_eq!(store.read(|s| s.get_retired(key).map(|job| job.running)), Some(0));
        store.give_back([GivenBack::Key(key)]);
        assert!(store.read(|s| s.get_retired(key).is_none()));
    }

    #[test]
    fn a_payload_that_is_set_free_waits_for_a_caller_that_may_drop_it() {
        let sweep = |store: &SharedStore<_>| _ = store.sweep(DUE, 9, &mut Vec::new());
        let read = |store: &SharedStore<_>| store.read(|_| ());
        let ways: [fn(&SharedStore<Arc<()>>); 2] = [sweep, read];
        for sets_free in ways {
            let payload = Arc::new(());
            let (store, key) = due_once(Arc::clone(&payload));
            store.sweep(DUE, 9, &mut Vec::new());
            store.give_back([GivenBack::Slot(fire(key), Ended::Executed)]);
            store.give_back([GivenBack::Key(key)]);
            sets_free(&store);
            assert!(store.read(|s| s.get_retired(key).is_none()));
            assert_eq!(Arc::strong_count(&payload), 2);
            store.settle();
            assert_eq!(Arc::strong_count(&payload), 1);
        }
    }

    #[test]
    fn only_changes_are_counted_as_such() {
        let (store, key) = due_once(());
        let before = store.changes();
        store.sweep(DUE, 9, &mut Vec::new());
        store.give_back([GivenBack::Key(key)]);
        store.settle();
        store.finish(fire(key), Ended::Executed);
        store.read(|_| ());
        assert_eq!(store.changes(), before);
        store.change(|_| ());
        assert_ne!(store.changes(), before);
    }

    #[test]
    fn a_panic_in_an_operation_leaves_the_store_usable() {
        let store = SharedStore::new(MemoryStore::<()>::new(1));
        let panics = || store.change(|_| panic!("a bug"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert!(store.read(MemoryStore::is_empty));
    }
}
