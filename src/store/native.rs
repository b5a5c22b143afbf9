//! `NativeStore`: the memory store as Python sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use mainspring_core::ErrorKind;
use mainspring_core::job::JobKey;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use pyo3::{PyTraverseError, PyVisit};

use crate::job::handle::{Basis, Job};
use crate::job::seen::{self, Seen};
use crate::job::store::Store;
use crate::py::host;
use crate::py::text::{self, Text};
use crate::store::listing::Listing;
use crate::time::datetime;
use crate::trigger::{core_trigger, trigger_zone};

/// The scheduler that a store belongs to, and the alias it goes by there.
pub struct Owner {
    scheduler: Option<Py<PyAny>>,
    alias: Option<Py<PyString>>,
}

impl Owner {
    /// What the store is called there.
    pub fn alias(&self) -> Option<&Py<PyString>> {
        self.alias.as_ref()
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            scheduler: self.scheduler.as_ref().map(|scheduler| scheduler.clone_ref(py)),
            alias: self.alias.as_ref().map(|alias| alias.clone_ref(py)),
        }
    }
}

/// Jobs in memory: entries, a deadline queue and an index by id.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct NativeStore {
    store: Arc<Store>,
    owner: Arc<Mutex<Owner>>,
}

/// A store and its owner, for as long as they are alive.
type WeakStore = (Weak<Store>, Weak<Mutex<Owner>>);

static STORES: Mutex<Vec<WeakStore>> = Mutex::new(Vec::new());

/// All stores that are alive, and the scheduler of each. The list is locked by attached threads for single moves.
pub fn all(py: Python<'_>) -> Vec<(Arc<Store>, Option<Bound<'_, PyAny>>)> {
    let stores = STORES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let alive = stores.iter().filter_map(|(store, owner)| Some((store.upgrade()?, owner.upgrade()?)));
    let scheduler = |owner: &Mutex<Owner>| {
        let owner = owner.lock().unwrap_or_else(PoisonError::into_inner);
        owner.scheduler.as_ref().map(|scheduler| scheduler.bind(py).clone())
    };
    alive.map(|(store, owner)| (store, scheduler(&owner))).collect()
}

impl NativeStore {
    /// The store itself.
    pub fn shared(&self) -> &Arc<Store> {
        &self.store
    }

    pub fn owner(&self, py: Python<'_>) -> Owner {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone_ref(py)
    }

    /// A handle on the job under `key`, while the store holds it.
    pub fn handle(&self, py: Python<'_>, key: JobKey) -> PyResult<Option<Py<Job>>> {
        match Seen::read(&self.store, key) {
            Some(seen) => self.handle_on(py, key, seen, &self.owner(py)).map(Some),
            None => Ok(None),
        }
    }

    /// A handle on the job under `key`, which the caller has just read as `seen`.
    pub fn handle_on(&self, py: Python<'_>, key: JobKey, seen: Seen, owner: &Owner) -> PyResult<Py<Job>> {
        let Owner { scheduler, alias } = owner.clone_ref(py);
        Py::new(py, Job::linked(Arc::clone(&self.store), key, seen, scheduler, alias))
    }

    /// Handles on these jobs. They are made in their order, since CPython's collector of garbage goes through them as
    /// they were made.
    fn handles<'py>(&self, py: Python<'py>, listing: Listing) -> PyResult<Bound<'py, PyList>> {
        let owner = self.owner(py);
        let mut jobs = Vec::with_capacity(listing.len());
        listing.each(|key, seen| self.handle_on(py, key, seen, &owner).map(|job| jobs.push(job)))?;
        PyList::new(py, jobs)
    }
}

impl NativeStore {
    /// Has the entry by the id of `job` take over its fields; says whether the fire time still holds, or else
    /// nothing is changed. `None`: there is no such entry.
    fn take_over(&self, job: &Bound<'_, Job>, basis: Basis) -> PyResult<Option<bool>> {
        let py = job.py();
        let id = job.get().job_id()?;
        let Some(key) = self.store.read(|s| s.key(&id)) else { return Ok(None) };
        if job.get().key_in(&self.store) == Some(key) {
            return Ok(Some(true));
        }
        let mut new = Some(job.get().to_new_job(py)?);
        let replaced = self.store.change(|s| {
            let Some(next) = new.as_ref().map(|new| new.next) else { return Ok(None) };
            if !basis.set_next(s, key, next)? {
                return Ok(None);
            }
            // What is not taken is dropped after the store's lock is released.
            new.take().map(|new| s.update(key, new.trigger, new.policy, new.route, new.payload)).transpose()
        });
        let replaced: Result<_, mainspring_core::Error> = replaced;
        match replaced {
            Ok(Some(old)) => drop(old),
            Ok(None) => return Ok(Some(false)),
            Err(_) => return Ok(None),
        }
        if let Some(seen) = Seen::read(&self.store, key) {
            job.get().link(Arc::clone(&self.store), key, seen);
        }
        Ok(Some(true))
    }
}

#[pymethods]
impl NativeStore {
    #[new]
    fn new() -> Self {
        let store = Arc::new(Store::in_memory(jitter_seed()));
        let owner = Arc::new(Mutex::new(Owner { scheduler: None, alias: None }));
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        stores.retain(|(store, _)| store.strong_count() > 0);
        stores.push((Arc::downgrade(&store), Arc::downgrade(&owner)));
        drop(stores);
        Self { store, owner }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.owner.try_lock() {
            Ok(owner) => visit.call(&owner.scheduler),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.set_owner(None, None);
    }

    fn set_owner(&self, scheduler: Option<Py<PyAny>>, alias: Option<Py<PyString>>) {
        let owner = Owner { scheduler, alias };
        let old = std::mem::replace(&mut *self.owner.lock().unwrap_or_else(PoisonError::into_inner), owner);
        drop(old);
    }

    /// Takes `job` in, and makes it a handle on its entry.
    #[pyo3(signature = (job, scheduler=None, alias=None))]
    fn add(
        &self,
        job: &Bound<'_, Job>,
        scheduler: Option<Py<PyAny>>,
        alias: Option<Py<PyString>>,
    ) -> PyResult<()> {
        let py = job.py();
        job.get().set_owner(scheduler, alias);
        let new = job.get().to_new_job(py)?;
        let seen = Seen::of(&new);
        match self.store.change(|s| s.add(new)) {
            Ok(key) => {
                job.get().link(Arc::clone(&self.store), key, seen);
                Ok(())
            }
            Err((error, refused)) => {
                let id = Arc::clone(&refused.id);
                drop(refused);
                match error.kind() {
                    ErrorKind::ConflictingId => Err(conflicting_id(py, &id)),
                    _ => Err(crate::py::error::to_py(error)),
                }
            }
        }
    }

    /// Takes over the fields of `job` under the same id. A handle on that very entry is up to date already.
    fn update(&self, job: &Bound<'_, Job>) -> PyResult<()> {
        match self.take_over(job, Basis::Asked)? {
            Some(_) => Ok(()),
            None => Err(lookup(job.py(), &job.get().job_id()?)),
        }
    }

    /// Takes over the fields of `job` under the same id; false where there is no such job.
    fn replace(&self, job: &Bound<'_, Job>) -> PyResult<bool> {
        Ok(self.take_over(job, Basis::Asked)?.is_some())
    }

    /// Takes over the fields of `job`, whose fire time was worked out when the entry had this revision; false where
    /// there is no such job, or it has another revision now.
    fn replace_since(&self, job: &Bound<'_, Job>, revision: u32) -> PyResult<bool> {
        Ok(self.take_over(job, Basis::Planned(revision))?.unwrap_or(false))
    }

    /// The revision of a job, 0 where there is none, and the last of its fire times that was handed over, where
    /// `trigger` is its own or equal to it.
    fn handed_over<'py>(
        &self,
        job_id: &Bound<'py, PyAny>,
        trigger: &Bound<'py, PyAny>,
    ) -> PyResult<(u32, Option<Bound<'py, PyAny>>)> {
        let py = trigger.py();
        // What is no text is the id of no job.
        let Ok(job_id) = job_id.extract::<Text<'_>>() else { return Ok((0, None)) };
        let known = self.store.read(|s| {
            let job = s.get(s.key(job_id.as_str())?)?;
            Some((job.revision, job.handed_over.map(|_| job.key)))
        });
        let (revision, fired) = known.unwrap_or_default();
        let Some(key) = fired else { return Ok((revision, None)) };
        let scheduler = self.owner(py).scheduler;
        let zone = seen::scheduler_zone(py, scheduler.as_ref().map(|s| s.bind(py)))?;
        let core = core_trigger(trigger, &zone)?;
        let last = self.store.read(|s| s.get(key)?.handed_over_by(&core));
        let zone = trigger_zone(trigger)?.unwrap_or(zone);
        Ok((revision, last.map(|last| zone.datetime(py, last)).transpose()?))
    }

    fn remove(&self, py: Python<'_>, job_id: Text<'_>) -> PyResult<()> {
        let removed = self.store.change(|s| s.remove(job_id.as_str()));
        removed.map(drop).map_err(|_| lookup(py, job_id.as_str()))
    }

    fn remove_all(&self) {
        let payloads = self.store.change(|s| s.remove_all());
        drop(payloads);
    }

    /// Forgets what goes on in the parent of this process, which was forked: the engine that sweeps the store,
    /// and the runs under way.
    fn forget_parent(&self) {
        self.store.set_waker(None);
        let payloads = self.store.change(|s| s.forget_runs());
        drop(payloads);
    }

    fn lookup(&self, py: Python<'_>, job_id: Text<'_>) -> PyResult<Option<Py<Job>>> {
        match self.store.read(|s| s.key(job_id.as_str())) {
            Some(key) => self.handle(py, key),
            None => Ok(None),
        }
    }

    fn all_jobs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.handles(py, Listing::of_all(&self.store))
    }

    fn due_jobs<'py>(&self, py: Python<'py>, now: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.handles(py, Listing::of_due(&self.store, datetime::instant(now)?))
    }

    fn next_run_time<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(next) = self.store.read(|s| s.next_deadline()) else { return Ok(None) };
        let scheduler = self.owner(py).scheduler;
        let zone = seen::scheduler_zone(py, scheduler.as_ref().map(|s| s.bind(py)))?;
        zone.datetime(py, next).map(Some)
    }

    fn __len__(&self) -> usize {
        self.store.read(|s| s.len())
    }
}

/// A different seed for every store of every process.
fn jitter_seed() -> u64 {
    static STORES: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    since
        ^ STORES.fetch_add(1, Ordering::Relaxed).rotate_left(32)
        ^ u64::from(std::process::id()).rotate_left(48)
}

fn lookup(py: Python<'_>, id: &str) -> PyErr {
    raise(py, host::job_lookup_error(py), id)
}

fn conflicting_id(py: Python<'_>, id: &str) -> PyErr {
    raise(py, host::conflicting_id_error(py), id)
}

fn raise(py: Python<'_>, class: PyResult<&Bound<'_, PyAny>>, id: &str) -> PyErr {
    match class.and_then(|class| class.call1((text::string(py, id),))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}
