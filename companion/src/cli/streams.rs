//! `rescind streams`: the streams of the transmitters, on the command line.

use clap::{Args, Subcommand};

use crate::client::{Access, Client};

/// What to do with which stream.
#[derive(Args, Debug)]
pub(crate) struct Streams {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    access: Access,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show all streams: how they stand, when they were verified, and what may be missing.
    List,
    /// Show one stream.
    Show {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Have a stream with the transmitter, again after it was deleted.
    Add {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Ask for a verification now, and wait some seconds for it.
    Verify {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Ask the transmitter for the stream's status.
    Status {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Pause the stream: the transmitter may hold events, or drop them.
    Pause {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Resume a paused stream.
    Resume {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Tell the transmitter what the configuration asks for (PATCH).
    Update {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// The same, in place of everything it knows (PUT).
    Replace {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Delete the stream; it is not created again until `add`.
    Delete {
        /// The transmitter's name in the configuration.
        transmitter: String,
    },
    /// Ask for events about a subject.
    AddSubject {
        /// The transmitter's name in the configuration.
        transmitter: String,
        /// The subject identifier: {"format": "email", "email": "user@example.com"}.
        subject: String,
    },
    /// Ask for no more events about a subject.
    RemoveSubject {
        /// The transmitter's name in the configuration.
        transmitter: String,
        /// The subject identifier.
        subject: String,
    },
}

impl Streams {
    /// How to reach the companion.
    pub(crate) const fn access(&self) -> &Access {
        &self.access
    }

    /// Does it.
    pub(crate) fn run(&self, client: &Client) -> Result<String, String> {
        let (transmitter, verb) = match &self.action {
            Action::List => return client.streams(self.json),
            Action::Show { transmitter } => return client.stream(transmitter, self.json),
            Action::AddSubject { transmitter, subject } => {
                return client.stream_command(transmitter, "add-subject", Some(subject), self.json);
            }
            Action::RemoveSubject { transmitter, subject } => {
                let verb = "remove-subject";
                return client.stream_command(transmitter, verb, Some(subject), self.json);
            }
            Action::Add { transmitter } => (transmitter, "add"),
            Action::Verify { transmitter } => (transmitter, "verify"),
            Action::Status { transmitter } => (transmitter, "status"),
            Action::Pause { transmitter } => (transmitter, "pause"),
            Action::Resume { transmitter } => (transmitter, "resume"),
            Action::Update { transmitter } => (transmitter, "update"),
            Action::Replace { transmitter } => (transmitter, "replace"),
            Action::Delete { transmitter } => (transmitter, "delete"),
        };
        client.stream_command(transmitter, verb, None, self.json)
    }
}
