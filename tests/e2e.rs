//! Tests on a real engine with real servers. Every test takes part in the `engine` group of `.config/nextest.toml`.

mod access;
mod autoheal;
mod cascade;
mod compose;
mod crowd;
mod downtime;
mod engine_outage;
mod harness;
mod healing;
mod inside;
mod iot_stack;
mod kill_loop;
mod lifecycle;
mod network_position;
mod own_engine;
mod receiver;
mod recreate;
mod scene;
mod services;
mod silent_health;
mod silent_stream;
mod ssh;
mod suspending;
mod theft;
mod unit;
mod volume;
