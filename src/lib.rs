//! The Python binding of mainspring: `mainspring._mainspring`. No scheduling rule lives here.

mod convert;
mod error;
mod trigger;

use pyo3::prelude::*;

#[pymodule]
mod _mainspring {
    #[pymodule_export]
    const __VERSION__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::trigger::{
        AndTrigger, BaseCombiningTrigger, BaseTrigger, CalendarIntervalTrigger, CronTrigger, DateTrigger,
        IntervalTrigger, OrTrigger,
    };
}
