//! `exec`: a command in the container, without a shell.

use async_trait::async_trait;

use super::steps::shown;
use super::{Cost, Failure, Here, Protocol, Steps, Subject, There};
use crate::docker::DockerError;
use crate::resource::probe::handler::ExecProbe;

#[async_trait]
impl Protocol for ExecProbe {
    fn port(&self) -> Option<u16> {
        None
    }

    fn cost(&self) -> Cost {
        Cost::Process
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let container =
            subject.container.ok_or_else(|| Failure::new(Here::NothingToAsk, "there is no container"))?;
        let away = || Failure::new(Here::Engine, "the engine is not connected");
        let engine = subject.engine.ok_or_else(away)?;
        steps.begin("exec");
        let (code, output) =
            engine.exec(&container.key.id, &self.command).await.map_err(|error| match error {
                // The program is not there, or the container has just ended.
                DockerError::Refused { message, .. } if is_no_program(&message) => {
                    Failure::new(Here::NoSuchCommand, "the command cannot be run in the container")
                        .saying(message)
                }
                DockerError::Refused { message, .. } => {
                    Failure::new(There::ExecRefused, format!("the engine refused: {}", shown(&message)))
                }
                other => Failure::new(Here::Engine, other.to_string()),
            })?;
        if code == 0 {
            steps.end(format!("exit code 0: {}", shown(&output)));
            return Ok(());
        }
        // The runtime's own codes, when there is nothing that it could run.
        if matches!(code, 126 | 127) && output.starts_with("OCI runtime") && is_no_program(&output) {
            let why = "the command cannot be run in the container";
            return Err(Failure::new(Here::NoSuchCommand, why).saying(output));
        }
        Err(Failure::new(There::ExitCode, format!("expected exit code 0, got {code}")).saying(output))
    }
}

/// Whether the engine says that the program is not there, or is none: the runtime's words (runc, crun) for ENOENT, EACCES and
/// ENOEXEC.
fn is_no_program(message: &str) -> bool {
    ["executable file not found", "no such file or directory", "permission denied", "exec format error"]
        .iter()
        .any(|words| message.contains(words))
}
