//! Portreeve: the operator pattern for plain Docker.

pub mod observed;
pub mod reconcile;
pub mod resource;
