//! Triggers that are changed while jobs in memory have them: an attribute is set, or a method is put into a class or
//! an object.
//!
//! The engine reads a trigger once, so the code that changes one tells of it, and it is read anew for the jobs that
//! have it (`store/triggers.rs`).
//!
//! Ground rules: everything here runs attached to Python.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};

use mainspring_core::trigger::Trigger;
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use super::OrTrigger;
use super::combining::{BaseCombiningTrigger, members_of};
use super::{AndTrigger, BaseTrigger, CalendarIntervalTrigger, CronTrigger, DateTrigger, IntervalTrigger};
use crate::py::host;
use crate::py::once::{Once, intern};
use crate::py::text;

/// What the engine does in the place of these methods.
const METHODS: [&str; 2] = ["get_next_fire_time", "_apply_jitter"];
/// What it has read.
const ATTRIBUTES: [&str; 15] = [
    "__class__",
    "__dict__",
    "days",
    "end_date",
    "fields",
    "interval",
    "interval_length",
    "jitter",
    "months",
    "run_date",
    "start_date",
    "timezone",
    "triggers",
    "weeks",
    "years",
];

/// Whether the engine has read a trigger, for a job perhaps, and is to do so again when that is changed.
#[derive(Default)]
pub struct Mark(AtomicBool);

impl Mark {
    pub fn new(set: bool) -> Self {
        Self(AtomicBool::new(set))
    }

    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The `answer` about the mark of a trigger; `None` of one that is not built in nor derived from one that is.
pub fn with_mark<R>(trigger: &Bound<'_, PyAny>, answer: impl FnOnce(&Mark) -> R) -> Option<R> {
    if let Ok(trigger) = trigger.cast::<IntervalTrigger>() {
        Some(answer(&trigger.borrow().mark))
    } else if let Ok(trigger) = trigger.cast::<CronTrigger>() {
        Some(answer(&trigger.borrow().mark))
    } else if let Ok(trigger) = trigger.cast::<DateTrigger>() {
        Some(answer(&trigger.borrow().mark))
    } else if let Ok(trigger) = trigger.cast::<CalendarIntervalTrigger>() {
        Some(answer(&trigger.borrow().mark))
    } else if let Ok(trigger) = trigger.cast::<BaseCombiningTrigger>() {
        Some(answer(&trigger.borrow().mark))
    } else {
        None
    }
}

/// A built-in class and its own [`METHODS`].
type Original = (Py<PyType>, [Py<PyAny>; 2]);

static ORIGINALS: Once<Vec<Original>> = Once::new();
/// Whether a program has put other methods into one of those classes.
static PATCHED: AtomicBool = AtomicBool::new(false);

/// The built-in classes, the two abstract ones first.
pub fn classes(py: Python<'_>) -> [Bound<'_, PyType>; 8] {
    [
        py.get_type::<BaseTrigger>(),
        py.get_type::<BaseCombiningTrigger>(),
        py.get_type::<IntervalTrigger>(),
        py.get_type::<CronTrigger>(),
        py.get_type::<DateTrigger>(),
        py.get_type::<CalendarIntervalTrigger>(),
        py.get_type::<AndTrigger>(),
        py.get_type::<OrTrigger>(),
    ]
}

fn originals(py: Python<'_>) -> PyResult<&Vec<Original>> {
    ORIGINALS.get_or_try_init(py, || {
        let original = |class: Bound<'_, PyType>| {
            let [next, jitter] = METHODS.map(|name| class.getattr(name).map(Bound::unbind));
            Ok((class.unbind(), [next?, jitter?]))
        };
        classes(py).into_iter().skip(2).map(original).collect::<PyResult<_>>()
    })
}

/// Has the trigger classes tell of what is put into them, and triggers of what becomes of them. To be called once, while
/// the module is made.
pub fn watch_classes(py: Python<'_>, read_again: ReadAgain) -> PyResult<()> {
    let Ok(_) = READ_AGAIN.get_or_try_init(py, || Ok::<_, Infallible>(read_again));
    // Noted before a program can put others into their place.
    originals(py)?;
    let metaclass = host::trigger_class(py)?.cast::<PyType>()?;
    for class in classes(py) {
        // SAFETY: this is what an assignment to `class.__class__` does where CPython allows it. Both are attached,
        // alive and made at run time, and instances of the metaclass are laid out as those of `type`, which a class
        // derived from it without attributes of its own is; `type` itself is immortal or counts no references.
        unsafe {
            ffi::Py_INCREF(metaclass.as_ptr());
            (*class.as_ptr()).ob_type = metaclass.as_type_ptr();
        }
        host::cpython::init_abstract_class(py)?.call1((class,))?;
    }
    Ok(())
}

/// Whether a program has put other methods into a built-in class.
pub fn classes_are_patched() -> bool {
    PATCHED.load(Ordering::Relaxed)
}

/// Whether nothing but the built-in class says when `obj`, which is of that class or one derived from it, fires.
pub fn keeps_calculation(obj: &Bound<'_, PyAny>, builtin: &Bound<'_, PyType>) -> PyResult<bool> {
    let (py, class) = (obj.py(), obj.get_type());
    let is_builtin = class.is(builtin);
    if is_builtin && !classes_are_patched() {
        return Ok(true);
    }
    if !has_originals(py, &class, builtin)? {
        return Ok(false);
    }
    Ok(is_builtin || finds_originals(obj, builtin)?)
}

/// Whether an object finds no methods but those of its class: it may have its own ones, or its own way to look.
fn finds_originals(obj: &Bound<'_, PyAny>, builtin: &Bound<'_, PyType>) -> PyResult<bool> {
    let py = obj.py();
    for name in METHODS {
        let function = obj.getattr(name)?.getattr_opt(intern!(py, "__func__"))?;
        if !function.is_some_and(|function| builtin.getattr(name).is_ok_and(|own| own.is(&function))) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_originals(py: Python<'_>, class: &Bound<'_, PyType>, builtin: &Bound<'_, PyType>) -> PyResult<bool> {
    let known = originals(py)?.iter().find(|(known, _)| known.is(builtin));
    let Some((_, methods)) = known else {
        return Err(PySystemError::new_err("not one of the built-in triggers"));
    };
    for (name, method) in METHODS.iter().zip(methods) {
        if !class.getattr(*name)?.is(method) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What has been changed of triggers.
pub enum Changed<'a, 'py> {
    /// A method of a built-in class. Whether one of them has, or had before, others than its own.
    Class { patched: bool },
    /// The members of a combining trigger.
    Members,
    /// This trigger.
    Object(&'a Bound<'py, PyAny>),
}

/// Has the triggers that a change concerns read anew for the jobs that have them.
pub type ReadAgain = fn(Python<'_>, &Changed<'_, '_>) -> PyResult<()>;

static READ_AGAIN: Once<ReadAgain> = Once::new();

fn tell(py: Python<'_>, changed: &Changed<'_, '_>) -> PyResult<()> {
    let nobody = || Ok::<ReadAgain, Infallible>(|_, _| Ok(()));
    let Ok(read_again) = READ_AGAIN.get_or_try_init(py, nobody);
    read_again(py, changed)
}

/// Called when one of [`METHODS`] has been put into a trigger class or taken out of it.
#[pyfunction]
pub fn trigger_class_changed(py: Python<'_>) -> PyResult<()> {
    let mut patched = false;
    for (class, _) in originals(py)? {
        patched |= !has_originals(py, class.bind(py), class.bind(py))?;
    }
    let was_patched = PATCHED.swap(patched, Ordering::Relaxed);
    tell(py, &Changed::Class { patched: patched || was_patched })
}

/// Called when the list of the members of a combining trigger has been changed.
#[pyfunction]
pub fn combined_triggers_changed(py: Python<'_>) -> PyResult<()> {
    tell(py, &Changed::Members)
}

/// Sets an attribute of a trigger, or deletes it, and has the trigger read anew for the jobs that have it.
pub fn set_attribute(
    trigger: &Bound<'_, BaseTrigger>,
    name: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let py = trigger.py();
    let value = value.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the pointers are those of live objects, or null for a deletion.
    if unsafe { ffi::PyObject_GenericSetAttr(trigger.as_ptr(), name.as_ptr(), value) } < 0 {
        return Err(PyErr::fetch(py));
    }
    if !with_mark(trigger, Mark::is_set).unwrap_or(false) {
        return Ok(());
    }
    let text = text::of(name.cast::<PyString>()?)?;
    if !(ATTRIBUTES.contains(&&*text) || METHODS.contains(&&*text)) {
        return Ok(());
    }
    tell(py, &Changed::Object(trigger))
}

/// Has a trigger that was given other values by `__init__` or `__setstate__` read anew for the jobs that have it.
pub fn made_anew(trigger: &Bound<'_, PyAny>) -> PyResult<()> {
    match with_mark(trigger, Mark::is_set) {
        Some(true) => tell(trigger.py(), &Changed::Object(trigger)),
        _ => Ok(()),
    }
}

/// Whether a trigger has others for its members.
pub fn is_combining(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::And(_) | Trigger::Or(_))
}

/// Whether `trigger` is `wanted` or has it among its members.
pub fn contains(trigger: &Bound<'_, PyAny>, wanted: &Bound<'_, PyAny>) -> PyResult<bool> {
    if trigger.is(wanted) {
        return Ok(true);
    }
    let Ok(combining) = trigger.cast::<BaseCombiningTrigger>() else { return Ok(false) };
    for member in members_of(combining)? {
        if contains(&member, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}
