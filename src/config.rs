//! What one process is started with: flags and environment variables, checked and ready to use.
//!
//! Flags are read in two steps. [`RunArgs`] is what was written, as text; [`RunConfig`] is what it means, and nothing
//! in it can be wrong any more. What can change while Portreeve runs is not here but in `Settings`.

mod anonymous;
mod args;
mod engine;
pub mod environment;
mod git;
mod limits;
mod network;
mod process;
mod resolve;
mod run_config;
pub mod state_dir;
pub mod tokens;

pub use anonymous::{Anonymous, Rule, RuleError};
pub use args::{LogFormat, RunArgs};
pub use environment::Environment;
pub use git::GitFault;
pub use limits::{HttpLimits, LimitArgs, LimitError};
pub use process::Process;
pub use resolve::{ConfigError, SOCKETS, state_dir, storage};
pub use run_config::{LogConfig, RunConfig, SocketPlace, Storage};

impl RunConfig {
    /// What `args` mean in `process`.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag or variable that cannot be used.
    pub fn resolve(args: RunArgs, process: &Process) -> Result<Self, ConfigError> {
        resolve::resolve(args, process)
    }
}
