//! Ids for jobs that were given none: random UUIDs (RFC 9562, version 4) in hexadecimal, as `uuid4().hex`.
//!
//! Ground rules: random bytes are fetched from the operating system many at a time, with no lock held, and each
//! is used once. A forked child throws away what it has of its parent's.

use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::job::JobId;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::process::fork::Origin;
use crate::py::imports;

const UUID: usize = 16;
const FETCHED: usize = 256 * UUID;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Random bytes of this process that have not been used yet.
struct Bytes {
    origin: Origin,
    bytes: Vec<u8>,
}

static UNUSED: Mutex<Option<Bytes>> = Mutex::new(None);

/// A new id.
pub fn new_id(py: Python<'_>) -> PyResult<JobId> {
    let mut uuid = match take() {
        Some(uuid) => uuid,
        None => {
            let fetched = imports::urandom(py)?.call1((FETCHED,))?;
            let mut bytes = fetched.cast::<PyBytes>()?.as_bytes().to_vec();
            let Some(uuid) = split(&mut bytes) else {
                return Err(PyOSError::new_err("os.urandom() gave fewer random bytes than it was asked for"));
            };
            let new = Some(Bytes { origin: Origin::here(), bytes });
            *UNUSED.lock().unwrap_or_else(PoisonError::into_inner) = new;
            uuid
        }
    };
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let mut text = [0; 2 * UUID];
    for (digits, byte) in text.chunks_exact_mut(2).zip(uuid) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
    // All of it is ASCII.
    Ok(Arc::from(std::str::from_utf8(&text).unwrap_or_default()))
}

fn take() -> Option<[u8; UUID]> {
    let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
    split(&mut unused.as_mut().filter(|unused| unused.origin.is_here())?.bytes)
}

fn split(bytes: &mut Vec<u8>) -> Option<[u8; UUID]> {
    let rest = bytes.len().checked_sub(UUID)?;
    let uuid = bytes[rest..].try_into().ok();
    bytes.truncate(rest);
    uuid
}
