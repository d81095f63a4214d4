use super::*;

#[test]
fn only_a_permit_has_status_0() {
    let none = || std::iter::empty::<(&str, &str)>();
    let permitted = CheckResponse::ok(none(), Vec::new(), std::iter::empty());
    assert_eq!(permitted.status.unwrap().code, 0);
    let denial = Denial::NeverSynchronized;
    let denied = refused(&denial, &rescind_core::config::Challenge::default());
    assert_eq!(denied.status.unwrap().code, 7);
    assert_eq!(denied.denied.unwrap().status.unwrap().code, 503);
    let reason = &denied.dynamic_metadata.unwrap().fields["reason"];
    assert_eq!(reason.string.as_deref(), Some("never_synchronized"));
}
