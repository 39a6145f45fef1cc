//! `portreeve completion SHELL` and `portreeve man`: what other tools need to know of these commands.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Exit;
use super::face::Face;

/// Flags of `completion`.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell; put `source <(portreeve completion bash)` into its start-up file
    shell: Shell,
}

pub(super) fn completion(
    args: &CompletionArgs,
    mut command: Command,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    // Written whole: the generator panics where a write fails, and a pipe may close.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "portreeve", &mut text);
    face.out.write_all(&text)?;
    Ok(Exit::Fine)
}

/// Flags of `man`.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// Write a page for each verb into this directory; left out: print the main page
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn man(args: &ManArgs, command: Command, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let Some(directory) = &args.directory else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        face.out.write_all(&text)?;
        return Ok(Exit::Fine);
    };
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    clap_mangen::generate_to(command, directory)
        .with_context(|| format!("cannot write to {}", directory.display()))?;
    writeln!(face.out, "{}", directory.join("portreeve.1").display())?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::tests::Streams;

    #[test]
    fn every_shell_learns_every_verb() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut streams = Streams::default();
            completion(&CompletionArgs { shell }, Cli::command(), &mut streams.face()).expect("output");
            let text = streams.both();
            for verb in ["apply", "describe", "explain", "replay"] {
                assert!(text.contains(verb), "{shell}: {verb}");
            }
        }
    }

    #[test]
    fn each_verb_has_a_manual_page() {
        let directory = tempfile::tempdir().expect("a directory");
        let args = ManArgs { directory: Some(directory.path().join("man1")) };
        man(&args, Cli::command(), &mut Streams::default().face()).expect("pages");
        let page = std::fs::read_to_string(directory.path().join("man1/portreeve-apply.1")).expect("a page");
        assert!(page.contains("prune"), "{page}");
    }
}
