//! Deliveries over a real store to real servers: what fails is tried again, what is refused is parked, nothing is lost.

mod billing;
mod declared;
pub mod discovery;
mod faults;
mod http;
pub mod post;
pub mod scripted;
