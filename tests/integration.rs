//! Parts of the project seen from outside, without an engine.

mod api;
