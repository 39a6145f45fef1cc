//! What is shown beside an item itself.

use serde_json::Value;

use crate::cli::client::{Client, ClientError};
use crate::cli::events::concerns;
use crate::cli::noun::Noun;
use crate::cli::text::scalar;

/// What is shown beside an item itself.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) containers: Vec<Value>,
    pub(super) registries: Vec<Value>,
    pub(super) billing: Vec<Value>,
    pub(super) deliveries: Vec<Value>,
    /// Newest first.
    pub(super) events: Vec<Value>,
}

impl Beside {
    pub(super) async fn read(client: &Client, noun: Noun, item: &Value) -> Result<Self, ClientError> {
        let name = scalar(item, "/metadata/name").unwrap_or_default();
        let id = scalar(item, "/id").unwrap_or_default();
        Ok(match noun {
            Noun::Containers => Self {
                registries: client.items("discoveryregistries", &[]).await?,
                billing: client.items("billingservices", &[]).await?,
                deliveries: deliveries_by(client, ("container", &id)).await?,
                events: client.items("events", &[("container", &id), ("limit", "15")]).await?,
                ..Self::default()
            },
            Noun::Kind(kind) => {
                let target = matches!(noun.kind(), "BillingService" | "DiscoveryRegistry");
                let mut deliveries = Vec::new();
                if target {
                    deliveries = deliveries_by(client, ("target", &name)).await?;
                    deliveries.retain(|delivery| delivery["kind"].as_str() == Some(noun.kind()));
                }
                let mut events = client.items("events", &[("limit", "1000")]).await?;
                events.retain(|event| concerns(event, kind, &name));
                Self {
                    containers: client.items("containers", &[]).await?,
                    deliveries,
                    events,
                    ..Self::default()
                }
            }
            Noun::Deliveries | Noun::Events => Self::default(),
        })
    }
}

/// All that wait or are parked, and what was delivered lately: of that there may be very many.
async fn deliveries_by(client: &Client, by: (&str, &str)) -> Result<Vec<Value>, ClientError> {
    let mut found = client.items("deliveries", &[by, ("state", "pending")]).await?;
    found.extend(client.items("deliveries", &[by, ("state", "parked")]).await?);
    let mut lately = client.get(&["deliveries"], &[by, ("state", "delivered")]).await?;
    if let Some(Value::Array(lately)) = lately.get_mut("items").map(Value::take) {
        found.extend(lately);
    }
    Ok(found)
}

/// What this registry is still to be told of this container, if it has not accepted that yet.
pub(super) fn unaccepted<'b>(beside: &'b Beside, registry: &str, container: &Value) -> Option<&'b str> {
    let about = |delivery: &&Value| {
        delivery["kind"] == "DiscoveryRegistry"
            && delivery["target"].as_str() == Some(registry)
            && delivery["containerId"] == container["id"]
            && delivery["engine"] == container["engine"]
            && delivery["state"] == "pending"
    };
    beside.deliveries.iter().find(about)?["event"].as_str()
}
