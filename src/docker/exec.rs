//! Commands in containers.

use std::pin::pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::error::{DockerError, from_library};

pub(super) mod running;

/// What somebody who has a command run waits for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Awaited {
    /// That the engine answers, or begins with the command.
    Engine,
    /// That the command ends.
    Command,
}

/// As much as is kept of what a command says.
const LONGEST: usize = 16 * 1024;
/// A command whose output is still open is looked at after this time, then twice that, up to the other; most have ended
/// before the first look.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(1);
/// An engine that takes longer to say how a command is getting on is what is waited for.
const AT_ONCE: Duration = Duration::from_millis(250);
/// So long the output is waited for when the command has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl Client {
    /// Runs `command` in the container and gives its exit code and the beginning of its output. A call that is given up
    /// leaves the command running; the same command is not started again before that has ended. `awaits` is told what the
    /// call waits for, each time that changes; at first that is the engine.
    pub async fn exec(
        &self,
        id: &str,
        command: &[String],
        mut awaits: impl FnMut(Awaited) + Send,
    ) -> Result<(i64, String), DockerError> {
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
        let exec = self.call(self.docker.create_exec(id, options)).await.map_err(forbidden)?.id;
        self.running.with(|running| running.insert(key.clone(), exec.clone()));
        let started =
            self.call(self.docker.start_exec(&exec, None::<StartExecOptions>)).await.map_err(forbidden)?;
        let StartExecResults::Attached { output, .. } = started else {
            return Err(DockerError::Incomplete("the command's output"));
        };
        let (code, said) = self.follow(&exec, output, &mut awaits).await?;
        self.running.with(|running| running.remove(&key));
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }

    /// Waits until a command has ended; gives its exit code and what it said.
    ///
    /// Its output may be open longer, held by a process that it left behind, or end before it does. An engine tells of
    /// the end (`exec_die`) when the output has ended too, or some seconds later; asked, it knows at once.
    async fn follow(
        &self,
        exec: &str,
        mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
        awaits: &mut (impl FnMut(Awaited) + Send),
    ) -> Result<(i64, Vec<u8>), DockerError> {
        let (mut said, mut open, mut pause) = (Vec::new(), true, FIRST_LOOK);
        let mut take = |piece: Result<LogOutput, _>| {
            let piece = piece.map_err(|error| from_library(&self.endpoint, error))?;
            let room = LONGEST.saturating_sub(said.len());
            said.extend(piece.into_bytes().iter().take(room));
            Ok::<(), DockerError>(())
        };
        let mut look = pin!(sleep(pause));
        let code = loop {
            tokio::select! {
                piece = output.next(), if open => match piece {
                    Some(piece) => {
                        take(piece)?;
                        continue;
                    }
                    // Most have ended then.
                    None => open = false,
                },
                () = &mut look => {}
            }
            let mut looked = pin!(self.call(self.docker.inspect_exec(exec)));
            let known = match timeout(AT_ONCE, &mut looked).await {
                Ok(known) => known,
                Err(_) => {
                    awaits(Awaited::Engine);
                    looked.await
                }
            };
            let known = known.map_err(forbidden)?;
            // Engines say that it runs as soon as they are to begin with it; a process it has only then.
            awaits(if known.pid == Some(0) { Awaited::Engine } else { Awaited::Command });
            // Without a code it has not even begun.
            if let (Some(code), false) = (known.exit_code, known.running == Some(true)) {
                break code;
            }
            look.set(sleep(pause));
            pause = (pause * 2).min(LAST_LOOK);
        };
        // What was said before the end may still be on its way.
        let rest = async {
            while let Some(piece) = output.next().await {
                take(piece)?;
            }
            Ok(())
        };
        if open {
            timeout(LAST_WORDS, rest).await.unwrap_or(Ok(()))?;
        }
        Ok((code, said))
    }
}

/// Names what a proxy before the engine's socket must allow.
fn forbidden(error: DockerError) -> DockerError {
    match error {
        DockerError::Refused { status: 403, message } => {
            let message = format!(
                "a command may not be run: {message}; a proxy before the engine's socket must allow CONTAINERS, EXEC, \
                POST"
            );
            DockerError::Refused { status: 403, message }
        }
        other => other,
    }
}
