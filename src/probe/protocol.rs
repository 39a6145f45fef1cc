//! What every way of asking is.

use async_trait::async_trait;

use super::failure::Failure;
use super::place::Place;
use super::steps::Steps;
use super::verdict::Here;
use crate::docker::Client;
use crate::guard::Guard;
use crate::observed::Container;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Where it is reached.
    pub place: Option<&'a Place>,
    /// The container, if it is one.
    pub container: Option<&'a Container>,
    /// Its engine, while that is connected.
    pub engine: Option<&'a Client>,
    /// What may be reached and read.
    pub guard: Guard,
}

impl Subject<'_> {
    /// Nothing that an engine or an address is known of; `guard` says what may be reached and read.
    pub const fn within(guard: Guard) -> Self {
        Self { place: None, container: None, engine: None, guard }
    }
}

/// A way of asking.
#[async_trait]
pub(crate) trait Protocol: Send + Sync {
    /// The port asked; `None` for a protocol without ports or one that asks the engine.
    fn port(&self) -> Option<u16>;

    /// `tcp` or `udp`, as published ports are told apart.
    fn transport(&self) -> &'static str {
        "tcp"
    }

    /// The host that the probe itself names.
    fn host(&self) -> Option<&str> {
        None
    }

    /// Whether it asks in the clear a server that may want TLS.
    fn is_clear(&self) -> bool {
        false
    }

    /// What it costs.
    fn cost(&self) -> Cost {
        Cost::Request
    }

    /// Asks once. The caller bounds the time; an attempt given up is dropped at its next await.
    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure>;
}

/// What an attempt costs, so that many of a dear kind do not run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// A look at what is known already.
    Nothing,
    /// A connection and a few bytes.
    Request,
    /// A session with a server: authentication, queries.
    Session,
    /// A process in a container.
    Process,
}

impl Subject<'_> {
    pub(super) fn place(&self) -> Result<&Place, Failure> {
        self.place.ok_or_else(|| Failure::new(Here::NothingToAsk, "there is no address to ask at"))
    }
}
