//! The one integration-test binary: each module is a part of the project seen from outside.

mod scenarios;
