//! The Python binding of mainspring: `mainspring._mainspring`. No scheduling rule lives here.

use pyo3::prelude::*;

#[pymodule]
mod _mainspring {
    #[pymodule_export]
    const __VERSION__: &str = env!("CARGO_PKG_VERSION");
}
