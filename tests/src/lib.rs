//! Black-box tests of Rescind: real gateways, real servers.
