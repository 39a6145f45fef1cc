//! The names under which dispatchers are woken.

/// The waker of a BillingService.
pub(super) fn billing_waker(name: &str) -> String {
    format!("BillingService/{name}")
}

/// The waker of a DiscoveryRegistry.
pub(super) fn discovery_waker(name: &str) -> String {
    format!("DiscoveryRegistry/{name}")
}
