//! A strict receiver that plays the Discovery and the Billing Service: it refuses whatever deviates from the
//! contracts to the byte, remembers every call, and fails on demand like real services do.
//!
//! Free of the crate's internals. Tests take it in through `#[path]`, which is why the paths are spelled out.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::disallowed_methods)]

#[path = "strict/book.rs"]
pub mod book;
#[path = "strict/connection.rs"]
mod connection;
#[path = "strict/contract.rs"]
pub mod contract;
#[path = "strict/faults.rs"]
pub mod faults;
#[path = "strict/line.rs"]
mod line;
#[path = "strict/service.rs"]
pub mod service;
#[path = "strict/spacing.rs"]
mod spacing;

use std::io;
use std::sync::{Arc, Mutex};

use book::{Call, State, Which};
use service::{Service, lock};

/// Where and how the two services answer.
pub struct Options {
    pub discovery_listen: String,
    pub billing_listen: String,
    /// Accept a registration of an id that is registered as down, instead of 409.
    pub accept_again: bool,
    /// Told of each call as it is answered.
    pub on_call: Box<dyn Fn(&Call) + Send + Sync>,
}

impl Default for Options {
    /// Free loopback ports, as strict as can be, silent.
    fn default() -> Self {
        Self {
            discovery_listen: "127.0.0.1:0".to_owned(),
            billing_listen: "127.0.0.1:0".to_owned(),
            accept_again: false,
            on_call: Box::new(|_| {}),
        }
    }
}

/// Both services, over one memory. They end when this is dropped.
pub struct Receiver {
    pub discovery: Service,
    pub billing: Service,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    accept_again: bool,
    on_call: Box<dyn Fn(&Call) + Send + Sync>,
}

impl Receiver {
    /// Starts both; fails if an address cannot be had.
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options { discovery_listen, billing_listen, accept_again, on_call } = options;
        let shared = Arc::new(Shared { state: Mutex::default(), accept_again, on_call });
        let discovery = Service::listen(Which::Discovery, &discovery_listen, Arc::clone(&shared)).await?;
        let billing = Service::listen(Which::Billing, &billing_listen, Arc::clone(&shared)).await?;
        Ok(Self { discovery, billing, shared })
    }

    /// All that happened so far.
    pub fn state(&self) -> State {
        lock(&self.shared.state).clone()
    }

    /// A look at what happened so far without copying it, for large runs.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.shared.state))
    }
}

impl Shared {
    fn record(&self, call: &Call) {
        (self.on_call)(call);
        let mut state = lock(&self.state);
        if let Some(violation) = &call.violation {
            state.violations.push(format!("{:?}: {violation}", call.which));
        }
        state.calls.push(call.clone());
    }
}
