//! Networks that a container is in and of which its engine has not told yet.

use std::sync::Arc;

use tracing::debug;

use super::reconciler::Reconciler;
use crate::controller::attachments::Attachment;
use crate::observed::{Container, Network};

/// More networks than are known at once: those are then forgotten that no known container is in.
const MANY: usize = 256;

impl Reconciler {
    /// Asks for each of them, once: what matters of a network never changes. One that the engine does not tell of is kept as
    /// one of which nothing is known.
    pub(super) async fn learn_networks(&self, container: &Container, attachment: &Attachment) {
        let parts = &*self.parts;
        let engine = &container.key.engine;
        let ids = container.networks.values().map(|endpoint| &endpoint.network).filter(|id| !id.is_empty());
        let unknown: Vec<&String> = parts.world.read(|world| {
            let known = world.engines.get(engine).map(|engine| &engine.surroundings.networks);
            ids.filter(|id| known.is_some_and(|known| !known.contains_key(*id))).collect()
        });
        for id in &unknown {
            let network = match attachment.client.network(id).await {
                Ok(network) => network.unwrap_or_default(),
                Err(error) => {
                    debug!(container = %container.key, "one of its networks cannot be read: {error}");
                    Network::default()
                }
            };
            parts.world.change(|world| {
                let containers = world.containers.clone();
                let Some(known) = world.engine_mut(engine) else { return };
                let networks = &mut Arc::make_mut(&mut known.surroundings).networks;
                if networks.len() >= MANY {
                    let used: std::collections::BTreeSet<&String> = containers
                        .of_engine(engine)
                        .flat_map(|other| other.networks.values().map(|endpoint| &endpoint.network))
                        .collect();
                    networks.retain(|id, _| used.contains(id));
                }
                networks.insert((*id).clone(), network);
            });
        }
        if !unknown.is_empty() {
            // With a network comes its bridge.
            parts.interfaces.renew(&parts.world).await;
        }
    }
}
