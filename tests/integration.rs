//! Parts of the project seen from outside: real files, sockets and servers, mostly without an engine.

mod api;
mod cli;
mod engine_path;
mod engines;
mod fixtures;
mod full_inbox;
mod gitops;
mod ill_engine;
mod mixed_up;
mod odd_engine;
mod openapi;
mod outbox;
mod overtaken;
mod probes;
mod prometheus;
mod state_dir;
mod store_down;
mod store_suite;
mod supply;
mod trust;
