//! Requests that passed and stay open.

use rescind_core::crypto::SoftwareVerifier;
use rescind_core::gate::Context;
use rescind_core::verdict::Denial;

use super::{Peer, World};

impl World {
    /// A GET with a bearer token passes, and is open from now on.
    pub(crate) fn open(&mut self, stream: u32, path: &str, token: &str) {
        let mut permit = self.permit(path, token);
        self.gate.watch(stream, &mut permit);
    }

    /// It ends.
    pub(crate) fn close(&mut self, stream: u32) {
        self.gate.forget(stream);
    }

    /// How many are watched.
    pub(crate) fn watched(&self) -> usize {
        self.gate.watched_streams()
    }

    /// Which of the open ones are to be ended now, and why.
    pub(crate) fn cut(&mut self) -> Vec<(u32, Denial)> {
        let mut context = Context {
            table: &mut self.table,
            shared: &self.shared,
            keys: &mut self.keys,
            verifier: &SoftwareVerifier,
            connection: &Peer(None),
        };
        let cuts = self.gate.cut(&mut context, self.now);
        cuts.into_iter().map(|cut| (cut.stream, cut.denial)).collect()
    }
}
