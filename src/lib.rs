//! Portreeve: the operator pattern for plain Docker.

pub mod docker;
pub mod observed;
pub mod reconcile;
pub mod resource;
pub mod store;
