//! What becomes of a thread that CPython ends while Rust code is on its stack.
//!
//! When the interpreter shuts down, CPython up to 3.13 ends a daemon thread where it next asks for Python: it calls
//! `pthread_exit`. That may be in any Python code that Rust has called, since Python code lets go of Python every few
//! milliseconds. glibc ends a thread by unwinding its stack, and an unwinding that is no panic aborts the process at
//! the first Rust function it comes to. From 3.14 on CPython has such a thread wait for ever instead
//! (<https://docs.python.org/3.14/c-api/init.html#cautions-regarding-runtime-finalization>), and so does this file: the
//! unwinder asks a function what a frame of Rust wants done, the *personality* of the Itanium ABI for exceptions
//! (<https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html>); the one put here asks back for nothing when a thread is being
//! ended, and does not return. pyo3 has the thread wait too, but only where Rust itself asks for Python.
//!
//! Only glibc unwinds: musl, macOS and Windows end a thread as it is.
//!
//! Ground rules: the pointer is set once, while the module is imported, before any other thread can be in this code. A
//! thread that waits here holds none of our locks, since none is held while Python code runs, and has no Python.

#[cfg(all(target_os = "linux", target_env = "gnu", not(target_arch = "arm")))]
mod glibc {
    use std::ffi::{c_int, c_void};
    use std::sync::atomic::{AtomicPtr, Ordering};

    /// `_UA_FORCE_UNWIND`: the stack is unwound whatever its frames say.
    const FORCED: c_int = 8;

    type Personality = unsafe extern "C" fn(c_int, c_int, u64, *mut c_void, *mut c_void) -> c_int;

    unsafe extern "C" {
        /// Where the frames of this library say that their personality is: a writable word of its own data.
        #[link_name = "DW.ref.rust_eh_personality"]
        static PERSONALITY: AtomicPtr<c_void>;
    }

    /// Rust's own.
    static RUSTS: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

    unsafe extern "C" fn personality(
        version: c_int,
        actions: c_int,
        class: u64,
        exception: *mut c_void,
        context: *mut c_void,
    ) -> c_int {
        if actions & FORCED != 0 {
            loop {
                std::thread::park();
            }
        }
        // SAFETY: it was set before this function was put into its place, to a function of this type; the arguments
        // are those that the unwinder has for it.
        unsafe {
            let rusts = std::mem::transmute::<*mut c_void, Personality>(RUSTS.load(Ordering::Acquire));
            rusts(version, actions, class, exception, context)
        }
    }

    pub fn install() {
        let ours = personality as Personality as *mut c_void;
        // SAFETY: compilers put the word into `.data`, aligned, and nothing but the unwinder reads it.
        let slot = unsafe { &PERSONALITY };
        let before = slot.load(Ordering::Acquire);
        if before != ours {
            RUSTS.store(before, Ordering::Release);
            slot.store(ours, Ordering::Release);
        }
    }
}

/// Has threads that CPython ends wait for ever where they come to Rust code, instead of aborting the process.
pub fn wait_for_ever_instead_of_unwinding() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(target_arch = "arm")))]
    glibc::install();
}
