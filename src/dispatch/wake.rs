//! Waking an event loop from a thread that is not attached to Python.
//!
//! Where the platform has file descriptors that a loop can watch, the inbox owns one for as long as a loop watches
//! it: an eventfd on Linux, a pipe on other Unix systems. Writing to it needs no Python. For loops without
//! `add_reader` (Windows' Proactor loop) a helper thread attaches and calls what it was given.
//!
//! Ground rules: a descriptor is opened when a loop begins to watch it, and closed only when that loop does so no
//! longer. Before and afterwards its number may be that of another file of the process.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use pyo3::prelude::*;

use crate::process::exit::Inside;

#[cfg(unix)]
pub use fd::WakeFd;

/// What wakes the loop that an inbox is watched by.
pub enum Waker {
    #[cfg(unix)]
    Fd(WakeFd),
    Thread(WakeThread),
}

impl Waker {
    pub fn wake(&self) {
        match self {
            #[cfg(unix)]
            Self::Fd(fd) => fd.wake(),
            Self::Thread(thread) => thread.wake(),
        }
    }

    /// Takes note that the loop has come, and nothing is left for it.
    pub fn clear(&self) {
        #[cfg(unix)]
        if let Self::Fd(fd) = self {
            fd.clear();
        }
    }

    /// Whether the loop comes again by itself until the waker is cleared.
    pub fn lasts(&self) -> bool {
        !matches!(self, Self::Thread(_))
    }
}

#[cfg(unix)]
mod fd {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};

    use rustix::io::{Errno, read, write};

    /// A file descriptor that is readable from the first `wake` until `clear`.
    pub struct WakeFd {
        reader: OwnedFd,
        #[cfg(not(target_os = "linux"))]
        writer: OwnedFd,
    }

    impl WakeFd {
        #[cfg(target_os = "linux")]
        pub fn new() -> io::Result<Self> {
            use rustix::event::{EventfdFlags, eventfd};
            Ok(Self { reader: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
        }

        #[cfg(not(target_os = "linux"))]
        pub fn new() -> io::Result<Self> {
            use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
            let (reader, writer) = rustix::pipe::pipe()?;
            for end in [&reader, &writer] {
                fcntl_setfd(end, FdFlags::CLOEXEC)?;
                ioctl_fionbio(end, true)?;
            }
            Ok(Self { reader, writer })
        }

        /// The descriptor to watch for reading.
        pub fn number(&self) -> i32 {
            self.reader.as_raw_fd()
        }

        pub fn wake(&self) {
            #[cfg(target_os = "linux")]
            let writer = &self.reader;
            #[cfg(not(target_os = "linux"))]
            let writer = &self.writer;
            // A full counter or pipe means that the descriptor is readable already.
            while write(writer, &1u64.to_ne_bytes()) == Err(Errno::INTR) {}
        }

        pub fn clear(&self) {
            let mut buffer = [0u8; 64];
            loop {
                match read(&self.reader, &mut buffer) {
                    Ok(read) if read == buffer.len() => {}
                    Err(Errno::INTR) => {}
                    _ => return,
                }
            }
        }
    }
}

/// The helper thread for loops that cannot watch a file descriptor.
pub struct WakeThread {
    shared: Arc<WakeThreadShared>,
}

struct WakeThreadShared {
    state: Mutex<WakeThreadState>,
    changed: Condvar,
}

#[derive(Default)]
struct WakeThreadState {
    asked: bool,
    stopping: bool,
}

impl WakeThread {
    /// Starts a thread that calls `wake`, attached to Python, for every wake.
    pub fn start(wake: impl Fn(Python<'_>) + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(WakeThreadShared { state: Mutex::default(), changed: Condvar::new() });
        let ours = Arc::clone(&shared);
        std::thread::Builder::new().name("mainspring-waker".into()).spawn(move || {
            while ours.wait() {
                let Some(_inside) = Inside::enter() else { return };
                // `None`: the interpreter is gone, and the loop with it.
                let _woken: Option<()> = Python::try_attach(&wake);
            }
        })?;
        Ok(Self { shared })
    }

    pub fn wake(&self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).asked = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for WakeThread {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
        self.shared.changed.notify_one();
    }
}

impl WakeThreadShared {
    /// Waits to be asked; `false` when the thread shall end.
    fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .changed
            .wait_while(state, |s| !s.asked && !s.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        state.asked = false;
        !state.stopping
    }
}
