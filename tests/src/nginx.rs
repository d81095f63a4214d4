//! A real nginx.

use std::path::Path;
use std::process::Command;

use crate::http::{self, Message, Request};
use crate::process::Process;
use crate::{tools, wait};

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    /// The process, for its log.
    pub process: Process,
    /// Where it listens.
    pub port: u16,
}

impl Nginx {
    /// Starts one with this configuration and waits until it answers on `port`.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(configuration: &str, port: u16, folder: &Path) -> Self {
        std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new(tools::nginx());
        command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]);
        command.args(["-g", "daemon off;"]);
        let mut process = Process::spawn("nginx", &mut command, &folder.join("nginx.log"));
        wait::until("nginx to answer", wait::START, || {
            if let Some(status) = process.ended() {
                panic!("nginx ended at start: {status}");
            }
            http::send(port, &Request::get("/")).ok()
        });
        Self { process, port }
    }

    /// Sends one request on a fresh connection.
    ///
    /// # Panics
    ///
    /// When nginx does not answer.
    #[must_use]
    pub fn send(&self, request: &Request) -> Message {
        http::send(self.port, request).expect("nginx answers")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, the master would leave its workers behind.
        if self.process.ended().is_none() {
            self.process.signal("TERM");
            let _ended = wait::until("nginx to end", wait::SOON, || self.process.ended());
        }
    }
}
