//! Portreeve: the operator pattern for plain Docker.
//!
//! People declare in YAML what they want; reconcilers compare it with what the engine shows, and act. Data flows one
//! way, and the modules below are listed in that order:
//!
//! ```text
//! manifests (files, environment, labels) ─► desired ─┐
//!                                                    ├─► reconcile (pure) ─► plan ─► execute ─► Docker engine
//! engine events + lists ─► observed ─────────────────┘                        └─► store: ledger + outbox
//!                                                                                      └─► outbox ─► Discovery, Billing
//! api · cli · metrics: faces; they read the store and the observed state and never touch an engine
//! ```
//!
//! # A walk through it: a container falls sick
//!
//! 1. The engine's stream says `health_status: unhealthy`. [`docker::informer`] reads it, never waits, and hands it on to
//!    [`controller`], which numbers it and puts it into the inbox of the container's key.
//! 2. The loop takes the inbox and has the reconciler of containers plan. An event is only a hint: it inspects the container
//!    and makes the next [`observed::World`].
//! 3. Pure functions decide on what was seen and what is remembered: [`reconcile::lifecycle`] enters runs in the
//!    ledger, [`reconcile::billing`] freezes the bytes of bills, [`reconcile::discovery`] says what registries should
//!    hold, [`reconcile::cause`] keeps who stopped what, and [`reconcile::heal`] decides on a restart, or why not.
//! 4. All of it, with the memory in which the restart is counted as spent and the intent that says what is about to be done, goes
//!    to the [`store`] in one transaction, together with the cursor: everything up to this event is dealt with.
//! 5. Only now something happens. The plan's log lines are written, [`outbox`]'s dispatchers and related keys are woken, and
//!    [`execute`] looks at the container once more and calls the engine.
//! 6. The restart's own events (`kill`, `die`, `start`) come in by the same way. A new StartedAt closes the intent.
//!
//! A crash between any two of these steps loses nothing: the cursor makes the engine repeat what was not committed,
//! a bill that was sent and not settled is sent again with the same id and the same bytes, and an intent without a
//! new run is judged afresh.
//!
//! # Which module may use what
//!
//! [`resource`], [`observed`], [`desired`] and [`reconcile`] are pure: no I/O, no clock, no randomness, no logging.
//! Only [`docker`] names `bollard`, only [`manifest`] names `serde_yaml`, only [`store`] names its database, and
//! only [`execute`] changes an engine. A test reads the `use` lines and checks this.

pub mod resource;

pub mod manifest;

pub mod observed;

pub mod desired;

pub mod guard;

pub mod tls;

pub mod docker;

pub mod reconcile;

pub mod execute;

pub mod probe;

pub mod outbox;

pub mod store;

pub mod controller;

pub mod catalogue;

pub mod api;

pub mod cli;

pub mod clock;

pub mod config;

mod locked;

pub mod metrics;

pub mod ownership;

pub mod run;

pub mod telemetry;

pub mod terminal;

pub mod vital;
