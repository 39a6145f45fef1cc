//! `--dry-run`, and the one line that is said of each object that is written.

use clap::{Args, ValueEnum};

use super::face::Face;
use super::table::Tone;
use crate::resource::ObjectKey;

/// Flags of verbs that write.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Writing {
    /// Show what would be done, and do nothing. `server` (the default) makes all of the server's checks; `client`
    /// compares with the server's objects and sends it nothing
    #[arg(
        long,
        value_name = "WHERE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "server"
    )]
    pub(super) dry_run: Option<DryRun>,

    /// `text`: what was done to each object; `name`: KIND/NAME of each
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Lines,
}

/// Who says what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DryRun {
    Server,
    Client,
}

/// What is printed of each object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Lines {
    #[default]
    Text,
    Name,
}

impl Writing {
    /// Whether the server is to check and do nothing.
    pub(super) fn checks_only(self) -> bool {
        self.dry_run == Some(DryRun::Server)
    }

    /// Whether the server is sent nothing.
    pub(super) fn sends_nothing(self) -> bool {
        self.dry_run == Some(DryRun::Client)
    }

    /// One line on standard output; every verb that writes says it so.
    pub(super) fn say(
        self,
        key: &ObjectKey,
        (word, tone): (&str, Tone),
        face: &mut Face<'_>,
    ) -> std::io::Result<()> {
        let dry = match self.dry_run {
            None => "",
            Some(DryRun::Server) => " (dry run)",
            Some(DryRun::Client) => " (dry run, not checked by the server)",
        };
        match self.output {
            Lines::Text => writeln!(face.out, "{key} {}{dry}", tone.paint(word)),
            Lines::Name => writeln!(face.out, "{key}"),
        }
    }
}
