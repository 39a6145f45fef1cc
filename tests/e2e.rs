//! Tests on a real engine with real servers. Every test takes part in the `engine` group of `.config/nextest.toml`.

mod access;
mod autoheal;
mod cascade;
mod crowd;
mod downtime;
mod engine_outage;
mod harness;
mod healing;
mod iot_stack;
mod kill_loop;
mod lifecycle;
mod own_engine;
mod receiver;
mod recreate;
mod scene;
mod services;
mod silent_stream;
mod ssh;
mod suspending;
mod too_early;
