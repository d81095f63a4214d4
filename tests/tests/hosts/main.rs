//! The module against what hosts other than Envoy do.

mod examples;
mod failures;
mod host;
mod in_flight;
mod installation;
mod interface;
mod main_job;
mod on_demand;
mod places;
mod shared;
