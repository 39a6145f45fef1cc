//! Portreeve: the operator pattern for plain Docker.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
pub mod desired;
pub mod docker;
pub mod execute;
pub mod manifest;
pub mod metrics;
pub mod observed;
pub mod outbox;
pub mod reconcile;
pub mod resource;
pub mod run;
pub mod store;
pub mod telemetry;
