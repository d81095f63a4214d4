//! The module against what hosts other than Envoy do.

mod interface;
