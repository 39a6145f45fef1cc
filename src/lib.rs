//! Portreeve: the operator pattern for plain Docker.

pub mod cli;
pub mod config;
pub mod desired;
pub mod manifest;
pub mod observed;
pub mod resource;
