//! One check: a place among those that run, an address, and the attempt itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Check, CheckId, Prober};
use crate::controller::shared::{Shared, locked};
use crate::observed::{Container, ProbeTarget};
use crate::probe::{self, Cost, Failure, Here, Outcome, Place, Stand, Subject, There};
use crate::resource::monitored_service::Target;
use crate::resource::probe::ProbeSpec;

/// After this long a check that still runs gives its place to another.
const LONG: Duration = Duration::from_secs(1);

impl Prober {
    /// A place among those that cost the same.
    fn place(&self, cost: Cost) -> Arc<Semaphore> {
        let most =
            usize::try_from(self.shared.desired.load().settings.max_concurrent_checks).unwrap_or(1).max(1);
        let mut places = locked(&self.places);
        if places.0 != most {
            // Those at work finish in places that are no more.
            *places = (most, HashMap::new());
        }
        places.1.entry(cost).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
    }

    /// One check; `None` while what we see says nothing about the target.
    pub(super) async fn ask(&self, id: &CheckId, check: &Check) -> Option<Trial> {
        let shared = &*self.shared;
        let cost = probe::protocol(check.spec.handler()?).cost();
        let place = self.place(cost).acquire_owned().await.ok()?;
        if shared.own_fault().is_some() {
            return None;
        }
        let (address, container, engine) = match &id.target {
            ProbeTarget::Outside => {
                let target = check.outside.as_ref()?;
                (Some(Ok(outside(target, &check.spec))), None, None)
            }
            ProbeTarget::Container(key) => {
                let connected = shared.with_world(|world| {
                    world.engines.get(&key.engine).is_some_and(|engine| engine.connected)
                });
                let attachment = shared.attachment(&key.engine).filter(|_| connected)?;
                let container = shared.with_world(|world| world.containers.get(key).cloned())?;
                let address = shared.address(&container, &check.spec);
                (address, Some(container), Some(attachment.client))
            }
        };
        let address = match address.transpose() {
            Ok(address) => address,
            Err(why) => {
                let result = Err(Failure::new(Here::NothingToAsk, why));
                let outcome = Outcome { result, took: Duration::ZERO, steps: Vec::new() };
                return Some(Trial { place: None, outcome });
            }
        };
        let subject =
            Subject { place: address.as_ref(), container: container.as_deref(), engine: engine.as_ref() };
        let outcome = with_place(place, probe::check(&check.spec, &subject)).await;
        Some(Trial { place: address, outcome }).filter(|_| shared.own_fault().is_none())
    }
}

/// A check that gives its place away when it takes long.
async fn with_place(place: OwnedSemaphorePermit, check: impl Future<Output = Outcome>) -> Outcome {
    tokio::pin!(check);
    tokio::select! {
        outcome = &mut check => outcome,
        () = tokio::time::sleep(LONG) => {
            drop(place);
            check.await
        }
    }
}

/// Where something outside Docker is asked.
fn outside(target: &Target, spec: &ProbeSpec) -> Place {
    let handler = spec.handler();
    let own = handler.and_then(|handler| handler.port());
    let protocol = handler.map(probe::protocol);
    let usual = || protocol.and_then(|protocol| protocol.port());
    let host = protocol.and_then(|protocol| protocol.host()).unwrap_or(&target.host);
    Place::declared(host, own.or(target.port).or_else(usual).unwrap_or(0))
}

impl Shared {
    /// Where `spec` asks a container, or why it cannot; `None` for a probe that needs no address.
    pub(super) fn address(&self, container: &Container, spec: &ProbeSpec) -> Option<Result<Place, String>> {
        let handler = spec.handler()?;
        if handler.needs_container() {
            return None;
        }
        let protocol = probe::protocol(handler);
        let port = protocol.port().unwrap_or(0);
        if let Some(host) = protocol.host() {
            return Some(Ok(Place::declared(host, port)));
        }
        let desired = self.desired.load();
        let endpoint = desired.hosts.get(&*container.key.engine).map(|host| host.endpoint.as_str());
        let away =
            endpoint.and_then(|endpoint| url::Url::parse(endpoint).ok()).filter(|url| url.scheme() != "unix");
        let away = away.and_then(|url| url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()));
        Some(self.with_world(|world| {
            let own = world.containers.values().find(|other| world.own.contains(&other.key.id));
            let stand = match (&away, own) {
                (Some(host), _) if !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1") => {
                    Stand::Away(host)
                }
                (_, Some(own)) if own.key.engine == container.key.engine => Stand::Inside(own),
                _ => Stand::Host,
            };
            Place::of(container, world, stand, port, protocol.transport())
        }))
    }
}

/// Whom a single attempt asks.
#[derive(Clone, Debug)]
pub enum Tried {
    /// A container, as its service would.
    Container(Arc<Container>),
    /// Something outside Docker.
    Outside(Target),
}

/// An attempt that somebody asked for.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Where it asked; `None` for a probe that needs no address.
    pub place: Option<Place>,
    /// How it went.
    pub outcome: Outcome,
}

impl Shared {
    /// One check outside the schedule: it is shown, and counts for nothing.
    pub async fn try_probe(&self, spec: &ProbeSpec, whom: &Tried) -> Trial {
        let (address, container, engine) = match whom {
            Tried::Outside(target) => (Some(Ok(outside(target, spec))), None, None),
            Tried::Container(container) if !container.state.is_up() => {
                let why =
                    format!("{} is {} (exit code {})", container.name, container.state, container.exit_code);
                let result = Err(Failure::new(There::NotRunning, why));
                return Trial {
                    place: None,
                    outcome: Outcome { result, took: Duration::ZERO, steps: Vec::new() },
                };
            }
            Tried::Container(container) => {
                let engine = self.attachment(&container.key.engine).map(|attachment| attachment.client);
                (self.address(container, spec), Some(container), engine)
            }
        };
        match address.transpose() {
            Ok(place) => {
                let subject = Subject {
                    place: place.as_ref(),
                    container: container.map(AsRef::as_ref),
                    engine: engine.as_ref(),
                };
                let outcome = probe::check(spec, &subject).await;
                Trial { place, outcome }
            }
            Err(why) => {
                let result = Err(Failure::new(Here::NothingToAsk, why));
                Trial { place: None, outcome: Outcome { result, took: Duration::ZERO, steps: Vec::new() } }
            }
        }
    }
}
