//! `exec`: a command in the container, without a shell.

use async_trait::async_trait;

use super::steps::shown;
use super::{Cause, Cost, Failure, Here, Protocol, Steps, Subject, There};
use crate::docker::{Awaited, DockerError};
use crate::resource::probe::handler::ExecProbe;

/// The steps at which the engine is waited for, and then the command.
pub(super) const ENGINE: &str = "engine";
pub(super) const COMMAND: &str = "exec";

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
        steps.begin(ENGINE);
        let awaits = |awaited| {
            steps.wait_at(match awaited {
                Awaited::Engine => ENGINE,
                Awaited::Command => COMMAND,
            });
        };
        let ran = engine.exec(&container.key.id, &self.command, awaits).await;
        let (code, output) = ran.map_err(|error| match error {
            DockerError::Refused { status, message } => refused(status, message),
            other => Failure::new(Here::Engine, other.to_string()),
        })?;
        steps.wait_at(COMMAND);
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

/// Why the engine does not run the command: for the command's sake, for the container's, or for its own.
fn refused(status: u16, message: String) -> Failure {
    let reason = || format!("the engine refused: {}", shown(&message));
    let says = |words: &[&str]| {
        let message = message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    };
    // The runtime's words for what it finds in the container, and of what the machine lacks.
    let ran = says(&["oci runtime", "runc", "crun", "setns", "executable file not found"]);
    let host = says(&["no space left on device", "too many open files"]);
    if ran && !host && is_no_program(&message) {
        return Failure::new(Here::NoSuchCommand, "the command cannot be run in the container")
            .saying(message);
    }
    let container = match status {
        // It does not run, it is paused, or an earlier run of the command goes on.
        409 => true,
        // It is gone, or was started anew.
        404 => says(&["no such container", "no such exec", "no container with", "task", "process"]),
        // As runtimes have it, where the engine does not know yet.
        500.. => {
            let ended =
                ["stopped", "not running", "paused", "state improper", "task", "process does not exist"];
            !host && (ran || says(&["container", "cannot exec"]) && says(&ended))
        }
        _ => false,
    };
    let cause: Cause = if container { There::ExecRefused.into() } else { Here::Engine.into() };
    Failure::new(cause, reason())
}

/// Whether the engine says that the program is not there, or is none: the runtime's words (runc, crun) for ENOENT, EACCES and
/// ENOEXEC.
fn is_no_program(message: &str) -> bool {
    ["executable file not found", "no such file or directory", "permission denied", "exec format error"]
        .iter()
        .any(|words| message.contains(words))
}
