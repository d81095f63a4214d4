//! The contexts of one VM, and where each callback goes.
//!
//! A VM serves one worker thread, but may have several configurations at a time: two filters with
//! the same code, or the old and the new one during an update. Each is a root context and has a
//! [`Worker`] of its own; each request belongs to one of them.
//!
//! **Nothing here panics, and what cannot be decided is refused.** A callback that the host makes
//! out of order, twice, for a context nobody knows, or from within another one, finds no worker;
//! then a request is answered with 503, and everything else is left alone.

use std::cell::RefCell;

use crate::host::{Action, Token};
use crate::request;
use crate::worker::{Taken, Worker};

/// Requests that were announced and not yet seen. Envoy announces each right before it shows its
/// headers; a host that announces more of them and never deletes any must not fill the memory.
const MAX_ANNOUNCED: usize = 4096;

#[derive(Debug, Default)]
struct Vm {
    roots: Vec<Root>,
    /// Request and root.
    announced: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct Root {
    id: u32,
    /// `None` before a valid configuration came.
    worker: Option<Box<Worker>>,
}

thread_local! {
    static VM: RefCell<Vm> = RefCell::default();
}

/// A context begins: that of a configuration if `root` is 0, else that of a request.
pub(crate) fn on_create(context: u32, root: u32) {
    with(|vm| match root {
        0 if vm.roots.iter().all(|root| root.id != context) => {
            vm.roots.push(Root { id: context, worker: None });
        }
        0 => {}
        root => {
            if vm.announced.len() >= MAX_ANNOUNCED {
                vm.announced.clear();
            }
            vm.announced.push((context, root));
        }
    });
}

/// A context ends.
pub(crate) fn on_delete(context: u32) {
    with(|vm| {
        vm.announced.retain(|(request, _)| *request != context);
        vm.workers().for_each(|worker| worker.forget(context));
        let ended = vm.roots.extract_if(.., |root| root.id == context);
        ended.filter_map(|root| root.worker).for_each(|worker| worker.retire());
    });
}

/// A configuration comes; whether it is accepted.
pub(crate) fn on_configure(root: u32, size: usize) -> bool {
    with(|vm| {
        let worker = Worker::configure(size)?;
        let root = vm.roots.iter_mut().find(|known| known.id == root)?;
        if let Some(before) = root.worker.replace(Box::new(worker)) {
            before.retire();
        }
        Some(())
    })
    .flatten()
    .is_some()
}

/// Time has passed.
pub(crate) fn on_tick(root: u32) {
    with(|vm| vm.worker(root).map(|worker| worker.tick(root)));
}

/// The headers of a request are there; whether nothing follows them.
pub(crate) fn on_request(request: u32, ends: bool) -> Action {
    with(|vm| {
        let root = vm.take_announced(request);
        request::handle(root.and_then(|root| vm.worker(root)), request, ends)
    })
    .unwrap_or_else(|| request::handle(None, request, ends))
}

/// Some of a request's body is there: `size` bytes of it, and whether it is whole.
pub(crate) fn on_body(request: u32, size: Option<usize>, is_whole: bool) -> Action {
    let act = |vm: &mut Vm| {
        vm.workers().find_map(|worker| request::body(worker, request, size, is_whole))
    };
    // `None` within: nobody holds it.
    with(act).map_or(Action::Pause, |action| action.unwrap_or(Action::Continue))
}

/// The answer to a callout is there. Hosts number callouts by VM, and do not agree on whose context
/// they name.
pub(crate) fn on_callout_response(token: Token, header_count: usize, body_size: usize) {
    with(|vm| {
        for worker in vm.workers() {
            match worker.take_answer(token, header_count, body_size) {
                Taken::Foreign => {}
                Taken::Quietly => break,
                Taken::For(waiting) => {
                    request::resume(worker, &waiting);
                    break;
                }
            }
        }
    });
}

/// `None` if the host calls from within a call.
fn with<R>(act: impl FnOnce(&mut Vm) -> R) -> Option<R> {
    VM.try_with(|vm| vm.try_borrow_mut().ok().map(|mut vm| act(&mut vm))).ok().flatten()
}

impl Vm {
    fn worker(&mut self, root: u32) -> Option<&mut Worker> {
        let root = self.roots.iter_mut().find(|known| known.id == root)?;
        root.worker.as_deref_mut()
    }

    fn workers(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.roots.iter_mut().filter_map(|root| root.worker.as_deref_mut())
    }

    /// The root of a request; asked once.
    fn take_announced(&mut self, request: u32) -> Option<u32> {
        let place = self.announced.iter().rposition(|(known, _)| *known == request)?;
        Some(self.announced.swap_remove(place).1)
    }
}
