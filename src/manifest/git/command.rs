//! Running the system's `git`: with an environment of our own making, in a time that is bounded, asking nobody anything.
//!
//! A secret never stands on a command line, where everybody on the machine could read it: it is in the environment of
//! the one process that may need it, and a helper on the command line reads it from there, for one host only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::progress::{MOST_OUTPUT, Progress};
use crate::tls;

/// How long one command may take.
const LONGEST: Duration = Duration::from_secs(120);
/// How much of what it complains of is repeated.
const MOST_WORDS: usize = 300;

/// Variables of ours that Git, its transports and ssh are meant to see; nothing else of our environment is theirs.
const PASSED: [&str; 19] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "http_proxy",
    "ALL_PROXY",
    "NO_PROXY",
    "no_proxy",
];

/// What holds whatever the machine's or the user's configuration of Git says: neither is read.
const CONFIG: [&str; 8] = [
    // Nothing of a repository is ever run.
    "core.hooksPath=/dev/null",
    // A link in it could lead to any file that we can read.
    "core.symlinks=false",
    "core.fsmonitor=false",
    // No process outlives the command that started it.
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "advice.detachedHead=false",
    "credential.helper=",
    // Whoever answers there would choose another place to ask.
    "http.followRedirects=false",
];

/// Prints what is asked for from the environment. `store` and `erase` are not for us.
const HELPER: &str = r#"!f() { test "$1" = get || exit 0; printf 'username=%s\npassword=%s\n' "$GIT_LOGIN_NAME" "$GIT_LOGIN_SECRET"; }; f"#;

/// Why a command of Git's came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no such program.
    #[error(
        "the program git cannot be found; install it (Debian: apt-get install git), or use --config-dir instead of \
        --git-url"
    )]
    Missing,
    /// It could not be run, or listened to.
    #[error("git {what} could not be run: {error}")]
    Run {
        /// The command.
        what: String,
        /// Why not.
        error: io::Error,
    },
    /// It did not end. Normal while a network or a server hangs.
    #[error("git {what} was stopped: it took longer than {} s; --git-timeout gives a pull more time", limit.as_secs())]
    Endless {
        /// The command.
        what: String,
        /// How long it might take.
        limit: Duration,
    },
    /// It did not end although it asks no server. Normal while a disk hangs.
    #[error("git {what} was stopped: it took longer than {} s", LONGEST.as_secs())]
    Hanging {
        /// The command.
        what: String,
    },
    /// It came no further. Normal while a network or a server hangs.
    #[error(
        "git {what} was stopped: it came no further for {} s; --git-timeout gives a pull more time", limit.as_secs()
    )]
    Stalled {
        /// The command.
        what: String,
        /// How long it might stand still.
        limit: Duration,
    },
    /// It failed.
    #[error("git {what}: {said}")]
    Failed {
        /// The command.
        what: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it said.
        said: String,
    },
}

/// Who asks a server, proved to one host.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// `https://host:port`.
    pub origin: String,
    pub name: String,
    pub secret: SecretString,
}

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// As long as any that asks no server.
    Local,
    /// From its beginning to its end.
    Whole(Duration),
    /// Without having come further.
    Standstill(Duration),
}

/// The program, on one repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    repository: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    pinned: Option<String>,
}

impl Git {
    pub(super) fn new(repository: &Path) -> Self {
        let mut environment: BTreeMap<OsString, OsString> =
            PASSED.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))).collect();
        for (name, value) in [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", ""),
            ("SSH_ASKPASS", ""),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
            // A server that sends nothing is given up before our own patience ends.
            ("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
            ("GIT_HTTP_LOW_SPEED_TIME", "30"),
            ("LC_ALL", "C"),
        ] {
            environment.insert(name.into(), value.into());
        }
        if !environment.keys().any(|name| name == "GIT_SSH" || name == "GIT_SSH_COMMAND") {
            let ssh = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15";
            environment.insert("GIT_SSH_COMMAND".into(), ssh.into());
        }
        Self { repository: repository.to_owned(), environment, pinned: None }
    }

    /// The same, with `host:port:address,…` for the name of a server, so that it is asked where it was found.
    pub(super) fn pinned(&self, addresses: &str) -> Self {
        Self { pinned: Some(format!("http.curloptResolve={addresses}")), ..self.clone() }
    }

    /// The same, with this file for the user's configuration.
    pub(super) fn configured_by(&self, file: &Path) -> Self {
        let mut git = self.clone();
        git.environment.insert("GIT_CONFIG_GLOBAL".into(), file.into());
        git
    }

    /// Runs a command and gives what it prints, without blanks around it.
    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        login: Option<&Login>,
    ) -> Result<String, GitError> {
        self.run_within(args, login, Limit::Local, &Progress::default()).await
    }

    /// The same, with a limit of its own. How far it has come is told by `progress`, and logged now and then.
    pub(super) async fn run_within<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        login: Option<&Login>,
        limit: Limit,
        progress: &Progress,
    ) -> Result<String, GitError> {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let what = args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = Command::new("git");
        for setting in CONFIG.into_iter().chain(self.pinned.as_deref()) {
            command.args(["-c", setting]);
        }
        command.env_clear().envs(&self.environment);
        if let Some(Login { origin, name, secret }) = login {
            command.arg("-c").arg(format!("credential.{origin}.helper={HELPER}"));
            command.env("GIT_LOGIN_NAME", name).env("GIT_LOGIN_SECRET", secret.expose_secret());
        }
        command.arg("--git-dir").arg(&self.repository).args(&args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What it starts itself, transports and ssh, ends with it.
        command.process_group(0).kill_on_drop(true);
        let progress = progress.hiding(login.map(|login| &login.secret));
        let finished = tokio::select! {
            finished = finish(command, &progress) => finished,
            error = over(&what, limit, &progress) => return Err(error),
            never = progress.tell(&what) => match never {},
        };
        let (code, out, err) = match finished {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(GitError::Missing),
            Err(error) => return Err(GitError::Run { what, error }),
            Ok(finished) => finished,
        };
        if code == Some(0) {
            return Ok(String::from_utf8_lossy(&out).trim().to_owned());
        }
        let mut said = complaint(&String::from_utf8_lossy(&err));
        if let Some(Login { secret, .. }) = login {
            // Servers have been seen to repeat what they were sent.
            said = said.replace(secret.expose_secret(), "***");
        }
        Err(GitError::Failed { what, code, said })
    }
}

/// Returns when the limit is reached.
async fn over(what: &str, limit: Limit, progress: &Progress) -> GitError {
    let what = what.to_owned();
    match limit {
        Limit::Local => {
            tokio::time::sleep(LONGEST).await;
            GitError::Hanging { what }
        }
        Limit::Whole(limit) => {
            tokio::time::sleep(limit).await;
            GitError::Endless { what, limit }
        }
        Limit::Standstill(limit) => {
            progress.stalled(limit).await;
            GitError::Stalled { what, limit }
        }
    }
}

/// The process group of a command; it is killed if nobody waits for the command any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It may have ended by itself just now.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// The exit code and the beginnings of both outputs.
async fn finish(mut command: Command, progress: &Progress) -> io::Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
    let mut child = command.spawn()?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::try_join!(beginning(out), progress.lines(err))?;
    let status = child.wait().await?;
    group.0 = None;
    Ok((status.code(), out, err))
}

/// Reads to the end, so that nobody waits for us, and keeps the beginning.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 8192]);
    let Some(mut stream) = stream else { return Ok(kept) };
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(kept);
        }
        let room = MOST_OUTPUT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
}

/// The lines that say why, as one that can be shown.
fn complaint(said: &str) -> String {
    let is_progress = |line: &&str| line.ends_with(", done.") || line.starts_with("remote: Total ");
    let lines: Vec<&str> =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !is_progress(line)).collect();
    let why = |line: &&str| ["fatal: ", "error: ", "remote: "].iter().any(|word| line.starts_with(word));
    let telling: Vec<&str> = lines.iter().copied().filter(why).collect();
    let telling = if telling.is_empty() { lines.last().copied().into_iter().collect() } else { telling };
    if telling.is_empty() {
        return "it failed without a reason".to_owned();
    }
    let words = telling.join("; ");
    let mut shown: String =
        words.chars().take(MOST_WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if words.chars().nth(MOST_WORDS).is_some() {
        shown.push('…');
    }
    if let Some(hint) = hint(&words) {
        shown.push_str(&format!(" ({hint})"));
    }
    shown
}

/// What to do about what Git says, where that is known.
fn hint(words: &str) -> Option<&'static str> {
    let says = |text: &str| words.contains(text);
    match () {
        () if says("The requested URL returned error: 30") => {
            Some("a redirect, which is not followed: give the URL that it leads to")
        }
        // As GnuTLS and OpenSSL say it.
        () if says("An unexpected TLS packet was received")
            || says("wrong version number")
            || says("packet length too long") =>
        {
            Some(tls::WITHOUT)
        }
        () if says("Received HTTP/0.9 when not allowed") => Some(tls::NO_HTTP),
        // Git does not repeat what the server says.
        () if says("unable to access 'http://") && says("returned error: 400") => {
            Some("if the server uses TLS: write https://")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_git_says_the_reason_is_kept() {
        let said = "Cloning…\nfatal: unable to access 'https://h/': Could not resolve host: h\n";
        assert_eq!(complaint(said), "fatal: unable to access 'https://h/': Could not resolve host: h");
        assert_eq!(complaint("warning: x\nssh: connect to host h\n"), "ssh: connect to host h");
        assert_eq!(complaint("remote: no\x1b[31m\nfatal: denied"), "remote: no [31m; fatal: denied");
        assert!(complaint("fatal: The requested URL returned error: 302").ends_with("that it leads to)"));
        let said =
            "remote: Counting objects: 100% (3/3), done.\nremote: Total 3 (delta 0)\nfatal: early EOF\n";
        assert_eq!(complaint(said), "fatal: early EOF");
        let said =
            "fatal: unable to access 'https://h/': error:0A00010B:SSL routines::wrong version number\n";
        assert!(complaint(said).ends_with("(the server answers without TLS: write http://)"));
        assert_eq!(complaint("\n"), "it failed without a reason");
        assert_eq!(complaint(&format!("fatal: {}", "x".repeat(1000))).chars().count(), MOST_WORDS + 1);
    }

    #[tokio::test]
    async fn a_failure_says_what_and_why_and_a_command_knows_nothing_of_our_environment() {
        let dir = tempfile::tempdir().expect("a directory");
        let git = Git::new(dir.path());
        let error = git.run(["rev-parse", "HEAD"], None).await.expect_err("no repository");
        assert!(error.to_string().starts_with("git rev-parse: fatal: not a git repository"), "{error}");
        // An alias that is run by a shell shows what it sees.
        let seen = git.run(["-c", "alias.seen=!env", "seen"], None).await;
        let seen = seen.expect("an environment");
        assert!(seen.contains("GIT_TERMINAL_PROMPT=0") && !seen.contains("CARGO"), "{seen}");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_killed_with_all_it_started() {
        let dir = tempfile::tempdir().expect("a directory");
        let (git, pid) = (Git::new(dir.path()), dir.path().join("pid"));
        let alias = format!("alias.hang=!sleep 600 & echo $! > {} && wait", pid.display());
        let hang = tokio::spawn(async move { git.run(["-c", &alias, "hang"], None).await });
        let begin = tokio::time::Instant::now();
        let child = loop {
            if let Some(pid) =
                std::fs::read_to_string(&pid).ok().and_then(|text| text.trim().parse::<u32>().ok())
            {
                break pid;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "it never started");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        hang.abort();
        // One that waits for its parent to look at it is dead all the same.
        let lives = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        while lives() {
            assert!(begin.elapsed() < Duration::from_secs(20), "what it started lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
