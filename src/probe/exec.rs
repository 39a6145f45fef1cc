//! `exec`: a command in the container, without a shell.

use async_trait::async_trait;

use super::steps::shown;
use super::{Cost, Failure, Protocol, Steps, Subject};
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
            subject.container.ok_or_else(|| Failure::Fault("there is no container".to_owned()))?;
        let away = || Failure::Fault("the engine is not connected".to_owned());
        let engine = subject.engine.ok_or_else(away)?;
        steps.begin("exec");
        let (code, output) =
            engine.exec(&container.key.id, &self.command).await.map_err(|error| match error {
                // The program is not there, or the container has just ended.
                DockerError::Refused { message, .. } => {
                    Failure::Unhealthy(format!("the engine refused: {}", shown(&message)))
                }
                other => Failure::Fault(other.to_string()),
            })?;
        let output = shown(&output);
        if code == 0 {
            steps.end(format!("exit code 0: {output}"));
            return Ok(());
        }
        let said = if output.is_empty() { String::new() } else { format!(": {output}") };
        Err(Failure::Unhealthy(format!("expected exit code 0, got {code}{said}")))
    }
}
