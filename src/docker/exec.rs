//! Commands in containers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;

use super::{Client, DockerError};

/// As much as is kept of what a command says.
const LONGEST: usize = 16 * 1024;

/// Commands that were started and not seen to end, by container and command line. An engine cannot end a command, so one
/// that hangs would get company with every check.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<(String, Vec<String>), String>>);

impl Running {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<(String, Vec<String>), String>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Client {
    /// Runs `command` in the container and gives its exit code and the beginning of its output. A call that is given up
    /// leaves the command running; the same command is not started again before that has ended.
    pub async fn exec(&self, id: &str, command: &[String]) -> Result<(i64, String), DockerError> {
        let key = (id.to_owned(), command.to_vec());
        if let Some(earlier) = self.running.with(|running| running.get(&key).cloned()) {
            match self.call(self.docker.inspect_exec(&earlier)).await {
                Ok(exec) if exec.running == Some(true) => {
                    let message = "the same command, started by an earlier check, still runs".to_owned();
                    return Err(DockerError::Refused { status: 409, message });
                }
                // Ended, or forgotten with its container.
                Ok(_) | Err(DockerError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = self.call(self.docker.create_exec(id, options)).await?.id;
        self.running.with(|running| running.insert(key.clone(), exec.clone()));
        let started = self.call(self.docker.start_exec(&exec, None::<StartExecOptions>)).await?;
        let mut said = Vec::new();
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(piece) = output.next().await {
                let piece = piece.map_err(|error| super::connect::error(&self.endpoint, error))?;
                let room = LONGEST.saturating_sub(said.len());
                said.extend(piece.into_bytes().iter().take(room));
            }
        }
        let ended = self.call(self.docker.inspect_exec(&exec)).await?;
        self.running.with(|running| running.remove(&key));
        let code = ended.exit_code.ok_or(DockerError::Incomplete("ExitCode"))?;
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }
}
