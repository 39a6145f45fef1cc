//! How commands end, and how they say that they failed.

use std::io::Write;
use std::process::ExitCode;

use crate::terminal::lines;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// All is well.
    Fine,
    /// It worked, and found something wrong.
    Problems,
    /// The store is damaged, or is not one that this program can use.
    Unsound,
    /// What was asked for makes no sense. Of `diff`, for which 1 is an answer, whatever went wrong.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Problems => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Unsound => Self::from(3),
        }
    }
}

/// A fault of Portreeve's own: `EX_SOFTWARE` of `sysexits.h`.
pub(super) const SOFTWARE: u8 = 70;

/// What was asked for makes no sense: exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Says what went wrong, in the words of the compiler-like problems of `validate`.
pub(super) fn fail(err: &mut dyn Write, message: &str) -> std::io::Result<()> {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    writeln!(err, "{red}error{red:#}: {}", lines(message))
}
