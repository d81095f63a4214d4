//! What Rescind promises, and what it does when something breaks: one sentence a test.

mod configuration;
mod discovery;
mod ext_authz;
mod gaps;
mod harness;
mod hostile_feed;
mod hostile_h2;
mod hostile_headers;
mod hostile_requests;
mod images;
mod in_flight;
mod independent;
mod istio;
mod key_sets;
mod load;
mod memory;
mod module;
mod nginx;
mod possession;
mod promises;
mod recovery;
mod restarts;
mod session_state;
mod status_lists;
mod vectors;
mod workloads;
