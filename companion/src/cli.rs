//! The command line, and what its exit statuses mean: 0 done, 1 failed, 64 wrong configuration.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::client::{Access, Client, Revocation};
use crate::config::{Config, Problem};
use crate::journal::{self, Journal, JournalError};
use crate::{doctor, export, import, keygen, server};

mod streams;

/// Wrong usage or configuration (`EX_USAGE` of sysexits.h).
const EX_USAGE: u8 = 64;

/// Receives Security Event Tokens and feeds every gateway with what they revoke.
#[derive(Debug, Parser)]
#[command(name = "rescind", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: receive SETs, keep them, feed gateways.
    Serve {
        /// The configuration.
        #[arg(long, default_value = "rescind.toml")]
        config: PathBuf,
        /// Only check the configuration.
        #[arg(long)]
        check: bool,
    },
    /// Make the keys and tokens of a new installation.
    Keygen {
        /// The directory to write them to. Existing files are kept.
        #[arg(long)]
        out: PathBuf,
    },
    /// Revoke: make a signal about a user, session, agent or token.
    Revoke {
        #[command(flatten)]
        whom: Whom,
        /// Why; kept with the signal.
        #[arg(long)]
        reason: Option<String>,
        /// The event to signal.
        #[arg(long, default_value = "session-revoked")]
        event: String,
        /// When it happened, in seconds since 1970; now if absent.
        #[arg(long)]
        at: Option<u64>,
        #[command(flatten)]
        access: Access,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a signal: its SET and what it means.
    Show {
        /// The signal's 32 hex digits (as in access logs), or its `jti`.
        signal: String,
        #[command(flatten)]
        access: Access,
    },
    /// Find out what is wrong: with a SET, or with configuration, keys, companion and gateways.
    Doctor {
        #[command(flatten)]
        options: doctor::Options,
    },
    /// Show the SETs that were refused last, by whom they were sent, and why.
    Refused {
        #[command(flatten)]
        access: Access,
        /// Print JSON, with the SETs.
        #[arg(long)]
        json: bool,
    },
    /// Show the accepted SETs of which no token can know.
    Unmatched {
        #[command(flatten)]
        access: Access,
        /// Print JSON, with the SETs.
        #[arg(long)]
        json: bool,
    },
    /// Show the log, the gateways that follow it and how far behind they are.
    Status {
        #[command(flatten)]
        access: Access,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// See and manage the transmitters' streams.
    Streams(streams::Streams),
    /// Load signals from a file, through a running companion or into the journal of a stopped one.
    ///
    /// One a line: signed SETs; or subjects and times, as JSON
    /// {"sub_id": {…}, "event_timestamp": 1700000000, "event": "session-revoked"}, or comma-separated
    /// under a line that names the columns, such as `iss,sub,time,event`. Importing again changes
    /// nothing.
    Import {
        #[command(flatten)]
        options: import::Options,
    },
    /// Write the live table or the audit trail, from a running or a stopped companion.
    Export {
        #[command(flatten)]
        options: export::Options,
    },
    /// Save what is good of a stopped companion's damaged journal into a new one.
    Recover {
        /// The file of the new journal.
        #[arg(long)]
        out: PathBuf,
        /// The configuration.
        #[arg(long, default_value = "rescind.toml")]
        config: PathBuf,
    },
    /// Make the journal's file of a stopped companion as small as it can be.
    Compact {
        /// The configuration.
        #[arg(long, default_value = "rescind.toml")]
        config: PathBuf,
    },
}

/// Whom to revoke.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A user: the issuer and `sub` of the tokens.
    #[arg(long, num_args = 2, value_names = ["ISS", "SUB"])]
    user: Option<Vec<String>>,
    /// A session: the `sid` of the tokens.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// An agent: the `client_id`, `azp`, `sub` or `act.sub` of the tokens.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// One token: its issuer and `jti`.
    #[arg(long, num_args = 2, value_names = ["ISS", "JTI"])]
    token: Option<Vec<String>>,
}

impl Whom {
    fn subjects(&self) -> Vec<Revocation> {
        match (&self.user, &self.session, &self.agent, &self.token) {
            (Some(user), ..) => Revocation::user(&field(user, 0), &field(user, 1)),
            (_, Some(session), ..) => Revocation::session(session),
            (_, _, Some(agent), _) => Revocation::agent(agent),
            (.., Some(token)) => Revocation::token(&field(token, 0), &field(token, 1)),
            // clap asks for exactly one.
            _ => Vec::new(),
        }
    }
}

fn field(values: &[String], index: usize) -> String {
    values.get(index).cloned().unwrap_or_default()
}

/// Runs a command.
pub(crate) fn run(cli: Cli) -> ExitCode {
    log_to_stderr();
    match cli.command {
        Command::Serve { config, check } => with_config(&config, |config| {
            if check {
                return print("the configuration is good");
            }
            report(server::serve(config).map_err(|error| error.to_string()))
        }),
        Command::Keygen { out } => match keygen::keygen(&out) {
            Ok(text) => print(&text),
            Err(error) => report(Err(error.to_string())),
        },
        Command::Import { options } => {
            let said = |outcome: Result<import::Done, import::ImportError>| match outcome {
                Ok(done) => print(&done.to_string()),
                Err(import::ImportError::Access(problems)) => wrong_configuration(&problems),
                Err(error) => report(Err(error.to_string())),
            };
            if options.names_companion() {
                return said(options.import_remotely(&mut io::stderr()));
            }
            with_config(options.config(), |config| said(options.import(&config, &mut io::stderr())))
        }
        Command::Export { options } => {
            with_config(options.config(), |config| match options.export(&config) {
                Ok(done) => {
                    let _nowhere_to_say_it = writeln!(io::stderr(), "{done}");
                    ExitCode::SUCCESS
                }
                Err(error) => report(Err(error)),
            })
        }
        Command::Compact { config } => with_config(&config, |config| match compact(&config) {
            Ok(text) => print(&text),
            Err(error) => report(Err(error.to_string())),
        }),
        Command::Recover { out, config } => with_config(&config, |config| {
            match journal::recover(&config.journal, &out, &config.feed.subject_key) {
                Ok(recovered) => print(&recovered.report(&out)),
                Err(error) => report(Err(error.to_string())),
            }
        }),
        Command::Revoke { whom, reason, event, at, access, json } => {
            with_client(&access, |client| {
                client.revoke(&whom.subjects(), &event, at, reason.as_deref(), json)
            })
        }
        Command::Show { signal, access } => with_client(&access, |client| client.show(&signal)),
        Command::Doctor { options } => {
            with_config(options.config(), |config| match options.examine(&config) {
                Ok(examined) if examined.wrong => {
                    let _shown = print(&examined.text);
                    ExitCode::FAILURE
                }
                Ok(examined) => print(&examined.text),
                Err(error) => report(Err(error)),
            })
        }
        Command::Refused { access, json } => {
            with_client(&access, |client| client.notes("refused", json))
        }
        Command::Unmatched { access, json } => {
            with_client(&access, |client| client.notes("unmatched", json))
        }
        Command::Streams(streams) => with_client(streams.access(), |client| streams.run(client)),
        Command::Status { access, json } => with_client(&access, |client| client.status(json)),
    }
}

fn compact(config: &Config) -> Result<String, JournalError> {
    let mut journal = Journal::open(&config.journal, &config.feed.subject_key)?;
    let before = journal.bytes();
    // One run may leave room that the next one finds.
    while journal.compact()? {}
    let (entries, after) = (journal.entries()?, journal.bytes());
    Ok(format!("{entries} entries: {before} bytes before, {after} bytes now\n"))
}

fn with_config(path: &std::path::Path, run: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(path) {
        Ok(config) => run(config),
        Err(problems) => wrong_configuration(&problems),
    }
}

fn with_client(access: &Access, run: impl FnOnce(&Client) -> Result<String, String>) -> ExitCode {
    match Client::new(access) {
        Ok(client) => match run(&client) {
            Ok(text) => print(&text),
            Err(error) => report(Err(error)),
        },
        Err(problems) => wrong_configuration(&problems),
    }
}

fn wrong_configuration(problems: &[Problem]) -> ExitCode {
    let mut text = format!("Invalid configuration ({} problems)\n", problems.len());
    if problems.len() == 1 {
        text = "Invalid configuration\n".to_owned();
    }
    for problem in problems {
        text.push_str(&format!("  {problem}\n"));
    }
    let _nowhere_to_say_it = io::stderr().write_all(text.as_bytes());
    ExitCode::from(EX_USAGE)
}

fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nowhere_to_say_it = writeln!(io::stderr(), "rescind: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `RESCIND_LOG` chooses what is logged (`debug`, `rescind=trace`); `info` if it is not set.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("RESCIND_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}
