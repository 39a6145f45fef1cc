//! The library's parts against real files, sockets and servers, but without an engine.

mod api;
mod cli;
mod engine_path;
mod fixtures;
mod outbox;
mod store_down;
mod store_suite;
mod supply;
