//! The services that are told of containers (document R1).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::Reader;
use crate::resource::billing_service::BillingServiceSpec;
use crate::resource::check::http_url;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::{Object, Origin, Selector, Spec};

/// The registry `discovery`.
pub(super) fn discovery(read: &mut Reader<'_>) -> Option<Object> {
    service::<DiscoveryRegistrySpec>(read, "DISCOVERY_SERVICE_URL", "discovery")
}

/// The service `billing`.
pub(super) fn billing(read: &mut Reader<'_>) -> Option<Object> {
    // Read for both services, checked once.
    if let Some(other) = read.text("PORTREEVE_SELECT")
        && !matches!(other, "all" | "managed")
    {
        read.refuse("PORTREEVE_SELECT", "must be all or managed");
    }
    service::<BillingServiceSpec>(read, "BILLING_SERVICE_URL", "billing")
}

fn service<T: DeserializeOwned + Into<Spec>>(
    read: &mut Reader<'_>,
    variable: &'static str,
    name: &str,
) -> Option<Object> {
    let url = read.text(variable)?;
    if let Err(fault) = http_url(url) {
        read.refuse(variable, fault.to_string());
        return None;
    }
    // The defaults are those a manifest without these fields gets.
    let spec = serde_json::from_value::<T>(json!({"url": url, "selector": selector(read)}));
    match spec {
        Ok(spec) => Some(Object::new(name, Origin::Environment, spec)),
        Err(error) => {
            read.refuse(variable, error.to_string());
            None
        }
    }
}

/// R1 tells of *managed* containers: those it started itself carry the label `managed-by`.
fn selector(read: &Reader<'_>) -> Selector {
    if read.text("PORTREEVE_SELECT") == Some("all") {
        return Selector::everything();
    }
    Selector { labels: BTreeMap::from([("managed-by".to_owned(), "*".to_owned())]), ..Selector::default() }
}
