//! One check: a place among those that run, an address, and the attempt itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::prober::{Check, CheckId, Prober};
use crate::controller::door::{EngineRead, ReadError};
use crate::controller::parts::Parts;
use crate::docker::Client;
use crate::locked::locked;
use crate::observed::{Container, ProbeTarget, Route, note_route};
use crate::probe::{
    self, Basis, Cause, CheckOutcome as Outcome, Cost, Failure, Here, Meaning, Place, Subject, There,
};
use crate::resource::monitored_service::Target;
use crate::resource::probe::{Handler, ProbeSpec};

/// After this long a check that still runs gives its place to another.
const LONG: Duration = Duration::from_secs(1);

impl Prober {
    /// A place among those that cost the same.
    fn place(&self, cost: Cost) -> Arc<Semaphore> {
        let most =
            usize::try_from(self.parts.desired.load().settings.max_concurrent_checks).unwrap_or(1).max(1);
        let mut places = locked(&self.places);
        if places.0 != most {
            // Those at work finish in places that are no more.
            *places = (most, HashMap::new());
        }
        places.1.entry(cost).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
    }

    /// One check; `None` while what we see says nothing about the target.
    pub(super) async fn ask(&self, id: &CheckId, check: &Check) -> Option<Trial> {
        let parts = &*self.parts;
        let cost = probe::protocol(check.spec.handler()?).cost();
        let due = Instant::now();
        let turn = self.place(cost).acquire_owned().await.ok()?;
        if due.elapsed() > Duration::from_secs(u64::from(check.spec.period_seconds)) {
            counter!("portreeve_checks_late_total").increment(1);
        }
        if parts.own_fault.get().is_some() {
            return None;
        }
        let trial = match &id.target {
            ProbeTarget::Outside => {
                let place = outside(check.outside.as_ref()?, &check.spec);
                let subject = Subject { place: Some(&place), ..Subject::within(parts.guard.clone()) };
                let outcome = with_place(turn, probe::check(&check.spec, &subject)).await;
                Trial { place: Some(place), outcome }
            }
            ProbeTarget::Container(key) => {
                let connected = parts.world.read(|world| world.is_connected(&key.engine));
                let attachment = parts.engines.get(&key.engine).filter(|_| connected)?;
                let container = parts.world.read(|world| world.containers.get(key).cloned())?;
                let reached = |route: &Route| {
                    parts.health_cache.read(|services| {
                        services.get(&*id.service).is_some_and(|service| service.reached.contains(route))
                    })
                };
                let asked = (&*id.probe, &check.spec);
                let asked = parts.ask(asked, &container, Some(attachment.client), &reached);
                let Asked { trial, route, doubted } = with_place(turn, asked).await;
                let proved = route.filter(|route| proves(&trial.outcome) && !reached(route));
                if proved.is_some() || doubted {
                    parts.health_cache.with(&id.service, |state| {
                        if let Some(route) = proved {
                            note_route(&mut state.reached, route);
                        }
                        if doubted {
                            state.targets.update(&id.target, |target| {
                                // What led to its verdict may have been asked of another.
                                let probe = target.probes.get_mut(&*id.probe);
                                probe.into_iter().for_each(|probe| probe.streak.doubt());
                            });
                        }
                    });
                }
                trial
            }
        };
        Some(trial).filter(|_| parts.own_fault.get().is_none())
    }
}

/// A check of a container.
struct Asked {
    trial: Trial,
    /// The way it went, if that was only assumed to lead there.
    route: Option<Route>,
    /// Whether nobody knows that it was the container which was asked.
    doubted: bool,
}

/// Whether what answered was what is meant: it is well, or it refuses us in the very protocol. That it speaks TLS, or none,
/// may be said of anybody.
fn proves(outcome: &Outcome) -> bool {
    use There::{NoTls, NotTls, TlsAlert, WantsTls};
    let of_anybody =
        |cause: &Cause| matches!(cause, Cause::There(NoTls | NotTls | TlsAlert | WantsTls) | Cause::Here(_));
    let refuses = |failure: &Failure| failure.means() == Meaning::Denied && !of_anybody(&failure.cause);
    outcome.result.as_ref().map_or_else(refuses, |()| true)
}

/// A check that gives its place away when it takes long.
async fn with_place<T>(place: OwnedSemaphorePermit, check: impl Future<Output = T>) -> T {
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

impl Parts {
    /// Where `spec` asks a container, or why it cannot; `None` for a probe that needs no address.
    fn address(&self, container: &Container, spec: &ProbeSpec) -> Option<Result<Place, String>> {
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
        // One that is not declared any more is about to be forgotten.
        let host = desired.hosts.get(&*container.key.engine)?;
        Some(self.world.read(|world| Place::of(container, world, host, port, protocol.transport())))
    }

    /// Checks a container with a probe, by its name; `reached` says of a way whether a check has ever passed there.
    async fn ask(
        &self,
        (name, spec): (&str, &ProbeSpec),
        container: &Arc<Container>,
        engine: Option<Client>,
        reached: impl Fn(&Route) -> bool,
    ) -> Asked {
        let fault = |why: String, place: Option<Place>| {
            let result = Err(Failure::new(Here::NothingToAsk, why));
            let outcome = Outcome { result, took: Duration::ZERO, steps: Vec::new() };
            Asked { trial: Trial { place, outcome }, route: None, doubted: true }
        };
        let place = match self.address(container, spec).transpose() {
            Ok(place) => place,
            Err(why) => return fault(why, None),
        };
        if let Some(place) = &place
            && let Some(why) = unresolved(place).await
        {
            return fault(why, Some(place.clone()));
        }
        let strange = self.desired.load().strange_hosts.contains(&*container.key.engine);
        let named = spec.handler().is_some_and(|handler| probe::protocol(handler).host().is_some());
        // A host that the probe itself names is as its author wants it.
        let guard = if strange && !named { self.guard.among_strangers() } else { self.guard.clone() };
        let subject =
            Subject { place: place.as_ref(), container: Some(&**container), engine: engine.as_ref(), guard };
        let mut outcome = probe::check(spec, &subject).await;
        let protocol = spec.handler().map(probe::protocol);
        let route = place.as_ref().zip(protocol).and_then(|(place, protocol)| {
            place.route(name, container, protocol.port().unwrap_or(0), protocol.transport())
        });
        let mut doubted = false;
        if let (Some(place), Err(failure)) = (&place, &mut outcome.result)
            && matches!(failure.means(), Meaning::Unhealthy | Meaning::Unanswered | Meaning::NotYet)
        {
            let why = failure.reason.as_str();
            let doubt = match place.doubt(why, route.as_ref().is_some_and(reached)) {
                None => self.moved(container, spec, place, why).await,
                doubt => doubt,
            };
            if let Some(doubt) = doubt {
                doubted = true;
                (failure.cause, failure.reason) = (Here::Guess.into(), doubt);
            }
        }
        Asked { trial: Trial { place, outcome }, route, doubted }
    }

    /// Why a failure at `place` says nothing although that was certain: a bridge may be gone, or somebody else's by now.
    async fn moved(
        &self,
        container: &Container,
        spec: &ProbeSpec,
        place: &Place,
        why: &str,
    ) -> Option<String> {
        if place.basis != Basis::Bridge {
            return None;
        }
        self.interfaces.renew(&self.world).await;
        let now = self.world.read(|world| world.containers.get(&container.key).cloned())?;
        match self.address(&now, spec)? {
            Ok(now) if now == *place => None,
            Ok(now) => Some(format!("{why}; its address is now {now}")),
            Err(gone) => Some(format!("{why}; {place} no longer leads to it: {gone}")),
        }
    }
}

/// Why a host that is only assumed cannot be asked: nobody here knows its name, which is nothing to blame a container for.
async fn unresolved(place: &Place) -> Option<String> {
    let Basis::Assumed { remedy } = &place.basis else { return None };
    if place.host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
    match found.map(|mut all| all.next().is_some()) {
        Ok(true) => None,
        Ok(false) => Some(format!("{} has no address here ({}): {remedy}", place.host, place.why)),
        Err(error) => {
            Some(format!("{} cannot be resolved here ({}): {remedy}; {error}", place.host, place.why))
        }
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

impl Parts {
    /// One check outside the schedule: it is shown, and counts for nothing.
    pub(in crate::controller) async fn try_probe(&self, spec: &ProbeSpec, whom: &Tried) -> Trial {
        match whom {
            Tried::Outside(target) => {
                let place = outside(target, spec);
                let subject = Subject { place: Some(&place), ..Subject::within(self.guard.clone()) };
                let outcome = probe::check(spec, &subject).await;
                Trial { place: Some(place), outcome }
            }
            Tried::Container(container) if !container.state.is_up() => {
                let why =
                    format!("{} is {} (exit code {})", container.name, container.state, container.exit_code);
                let result = Err(Failure::new(There::NotRunning, why));
                Trial { place: None, outcome: Outcome { result, took: Duration::ZERO, steps: Vec::new() } }
            }
            Tried::Container(container) => {
                // Whatever probe it was that came there.
                let reached = |route: &Route| {
                    let same =
                        |other: &Route| *route == Route { probe: route.probe.clone(), ..other.clone() };
                    self.health_cache
                        .read(|services| services.values().any(|service| service.reached.iter().any(same)))
                };
                if !matches!(spec.handler(), Some(Handler::Exec(_))) {
                    return self.ask(("", spec), container, None, &reached).await.trial;
                }
                let itself = Duration::from_secs(spec.timeout_seconds.into());
                let tried =
                    self.engines.read(&container.key.engine, EngineRead::Exec(itself), |client| async {
                        self.ask(("", spec), container, Some(client), &reached).await.trial
                    });
                match tried.await {
                    Ok(trial) => trial,
                    Err(ReadError::Away) => self.ask(("", spec), container, None, &reached).await.trial,
                    Err(why @ (ReadError::Busy | ReadError::TimedOut(_))) => {
                        let result = Err(Failure::new(Here::Engine, why.to_string()));
                        Trial { place: None, outcome: Outcome { result, took: itself, steps: Vec::new() } }
                    }
                }
            }
        }
    }
}
