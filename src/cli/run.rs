//! `portreeve run`: flags and environment → a configuration → the controller.

use std::io::Write;

use super::{Exit, fail};
use crate::config::{Process, RunArgs, RunConfig, state_dir};

pub(super) fn run(args: RunArgs, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let config = match RunConfig::resolve(args, &Process::current()) {
        Ok(config) => config,
        Err(error) => {
            // Several variables can be wrong at once, a line each.
            for line in error.to_string().lines() {
                fail(err, line)?;
            }
            return Ok(Exit::Usage);
        }
    };
    let claimed = match state_dir::claim(&config.state_dir) {
        Ok(claimed) => claimed,
        Err(error) => {
            fail(err, &error.to_string())?;
            return Ok(Exit::Usage);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(crate::run::run(config, claimed))?;
    Ok(Exit::Fine)
}
