//! Calls into libraries that panic on damaged files where an error was due. Such a panic becomes an error of ours, and is
//! not printed: the error says what it said. Panics anywhere else are printed as ever.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// This thread is inside a guarded call.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Whether this thread's panic would be caught by [`guarded`], and so told by an error.
pub(crate) fn is_guarded() -> bool {
    // A thread that is ending has no such variable any more, and guards nothing.
    GUARDED.try_with(Cell::get).unwrap_or(false)
}

/// Calls, and makes a text of a panic. What the call borrowed may be left in any state.
///
/// # Errors
/// What the panic said.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    caught(call).map_err(|said| format!("the engine panicked: {said}"))
}

/// As [`guarded`], of whatever else may panic.
///
/// # Errors
/// The panic's own words.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(silence);
    let before = GUARDED.replace(true);
    let called = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(before);
    called.map_err(|panic| said(panic.as_ref()).to_owned())
}

/// Puts a hook before the one there is, which says nothing where a panic is caught.
fn silence() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_guarded() {
            before(info);
        }
    }));
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_guarded_panic_is_an_error_with_its_words_and_one_outside_is_still_printed() {
        let printed = Arc::new(AtomicUsize::new(0));
        let (counted, us, before) = (Arc::clone(&printed), thread::current().id(), panic::take_hook());
        panic::set_hook(Box::new(move |info| match thread::current().id() == us {
            true => drop(counted.fetch_add(1, Ordering::SeqCst)),
            false => before(info),
        }));
        silence();
        let page = 7;
        assert_eq!(guarded(|| page), Ok(7));
        let failed = guarded(|| -> u32 { panic!("no page {page}") });
        assert_eq!(failed, Err("the engine panicked: no page 7".to_owned()));
        let inner = guarded(|| {
            guarded(|| -> u8 { panic!("inner") }).expect_err("caught");
            assert!(is_guarded(), "the outer call goes on guarded");
            panic!("outer")
        });
        assert_eq!(inner, Err::<(), _>("the engine panicked: outer".to_owned()));
        assert_eq!(printed.load(Ordering::SeqCst), 0);
        drop(catch_unwind(|| panic!("for the test")).expect_err("caught by another"));
        assert_eq!(printed.load(Ordering::SeqCst), 1);
    }
}
