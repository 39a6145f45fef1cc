//! A store that cannot commit or be read: nothing is sent on its account, nothing acknowledged is lost, the faces stay
//! up and say so, and it recovers by itself.

mod delivering;
mod faces;
pub mod failing;
mod full_disk;
mod refused;
