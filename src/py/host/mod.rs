//! The Python side, as the binding calls it: the only folder that spells a module of the package or a private name.
//!
//! `python/mainspring/_contract.py` has the same names as Protocols, to which mypy holds the package;
//! `tests/packaging/test_contract.py` holds both files to each other. What Python calls of the binding is in
//! `_mainspring.pyi`.

pub mod cpython;
pub mod modules;
pub mod scheduler;

pub use modules::*;
pub use scheduler::{Scheduler, Telling};
