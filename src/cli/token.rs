//! `portreeve token`: who may ask the HTTP API, and what for. Works on the state directory, whether Portreeve runs or
//! not; a running one reads the change at once.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::{Exit, fail};
use crate::config::tokens::{self, Role, TokenError, Tokens};
use crate::config::{Process, state_dir};

/// Whether a Portreeve has left anything there: tokens, and the lock over them, are written without one too.
fn is_used(state_dir: &std::path::Path) -> bool {
    let mut entries = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    entries.any(|entry| !entry.file_name().to_string_lossy().starts_with("tokens."))
}

/// Flags of `token`.
#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    verb: TokenVerb,

    /// State directory, as given to `run` [env: PORTREEVE_STATE_DIR] [default: as of `run`]
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum TokenVerb {
    /// Create a token and print it, only this once; from then on callers over TCP need a token,
    /// except for what --anonymous permits
    Create {
        /// What the token permits: `view` reads everything, `edit` also changes everything
        #[arg(long, value_name = "ROLE")]
        role: Role,
        /// Name of the token; left out: a generated name
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// The same
        #[arg(long = "name", value_name = "NAME", conflicts_with = "name", hide = true)]
        named: Option<String>,
    },
    /// List the names and roles of tokens
    List,
    /// Delete a token, so that it is no longer accepted
    Delete {
        /// Name of the token
        name: String,
    },
}

pub(super) fn token(args: &TokenArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let TokenArgs { verb, state_dir: given } = args;
    let directory = match state_dir(given.clone(), &Process::current()) {
        Ok(directory) => directory,
        Err(error) => {
            fail(err, &error.to_string())?;
            return Ok(Exit::Usage);
        }
    };
    let usable = match verb {
        TokenVerb::Create { .. } => state_dir::claim(&directory).map(|_| true),
        TokenVerb::List | TokenVerb::Delete { .. } => state_dir::check(&directory),
    };
    let done = match usable {
        Err(error) => {
            fail(err, &error.to_string())?;
            return Ok(Exit::Usage);
        }
        // Where there is no directory there are no tokens, and deleting one makes none.
        Ok(false) if let TokenVerb::Delete { name } = verb => Err(TokenError::Unknown(name.clone()).into()),
        Ok(_) => run(verb, &tokens::path(&directory), out, err),
    };
    match done {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => match error.downcast_ref::<TokenError>() {
            Some(TokenError::Taken(_) | TokenError::Name(_)) => {
                fail(err, &error.to_string())?;
                Ok(Exit::Usage)
            }
            // As everything else that is named and not there.
            Some(TokenError::Unknown(_)) => {
                fail(err, &error.to_string())?;
                Ok(Exit::Problems)
            }
            _ => Err(error),
        },
    }
}

fn run(
    verb: &TokenVerb,
    path: &std::path::Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<()> {
    match verb {
        TokenVerb::Create { role, name, named } => {
            let first = !path.exists();
            let (token, secret) = tokens::create(path, *role, name.as_deref().or(named.as_deref()))?;
            let state = path.parent().unwrap_or(path);
            if !is_used(state) {
                writeln!(
                    err,
                    "no Portreeve has used the state directory {} yet: the token works only for a Portreeve that runs as this user with \
                     this --state-dir",
                    state.display()
                )?;
            }
            if first {
                let state = path.parent().unwrap_or(path).display();
                writeln!(
                    err,
                    "from now on callers over TCP need a token, also on this machine (Portreeve with the state directory {state}); its Unix socket needs none"
                )?;
            }
            writeln!(err, "token {:?} with the role {}; it is shown only once:", token.name, role.as_str())?;
            writeln!(out, "{}", secret.expose_secret())?;
        }
        TokenVerb::List => {
            let Tokens { tokens } = Tokens::read(path)?;
            writeln!(
                err,
                "tokens of the Portreeve whose state is in {}:",
                path.parent().unwrap_or(path).display()
            )?;
            let width = tokens.iter().map(|token| token.name.len()).max().unwrap_or(0).max(4);
            writeln!(out, "{:width$}  ROLE  CREATED", "NAME")?;
            for token in tokens {
                writeln!(out, "{:width$}  {}  {}", token.name, token.role.as_str(), token.created)?;
            }
        }
        TokenVerb::Delete { name } => {
            tokens::delete(path, name)?;
            writeln!(out, "token {name:?} deleted")?;
            if Tokens::read(path)?.tokens.is_empty() {
                writeln!(
                    err,
                    "it was the last token: callers over TCP may now do only what --anonymous permits"
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(directory: &std::path::Path, verb: TokenVerb) -> (Exit, String, String) {
        let args = TokenArgs { verb, state_dir: Some(directory.to_owned()) };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = token(&args, &mut out, &mut err).expect("output");
        let text = |bytes| anstream::adapter::strip_str(&String::from_utf8(bytes).expect("text")).to_string();
        (exit, text(out), text(err))
    }

    #[test]
    fn a_token_is_printed_once_alone_on_standard_output() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("state");
        let create = || TokenVerb::Create { role: Role::View, name: Some("board".to_owned()), named: None };
        let (exit, out, err) = said(&directory, create());
        assert_eq!(exit, Exit::Fine);
        assert!(out.starts_with("portreeve_") && out.trim().len() == 74, "{out}");
        let state = directory.display();
        assert_eq!(
            err,
            format!(
                "no Portreeve has used the state directory {state} yet: the token works only for a Portreeve that runs as this user with \
                 this --state-dir\nfrom now on callers over TCP need a token, also on this machine (Portreeve with the state directory {state}); its Unix socket needs none\ntoken \"board\" with the role view; it is shown only once:\n"
            )
        );
        let (exit, _, err) = said(&directory, create());
        assert_eq!(exit, Exit::Usage);
        // A store says that a Portreeve has run there.
        std::fs::write(directory.join("portreeve.db"), "").expect("a file");
        let other = TokenVerb::Create { role: Role::View, name: None, named: Some("ci".to_owned()) };
        let (_, _, used) = said(&directory, other);
        assert_eq!(used, "token \"ci\" with the role view; it is shown only once:\n");
        let gone = said(&directory, TokenVerb::Delete { name: "ci".to_owned() });
        assert_eq!((gone.0, gone.2.as_str()), (Exit::Fine, ""));
        assert!(err.contains("there is a token named \"board\" already"), "{err}");
        let (_, out, err) = said(&directory, TokenVerb::List);
        assert_eq!(err, format!("tokens of the Portreeve whose state is in {state}:\n"));
        assert!(out.starts_with("NAME   ROLE  CREATED\nboard  view  2"), "{out}");
        let (exit, _, err) = said(&directory, TokenVerb::Delete { name: "board".to_owned() });
        assert!(exit == Exit::Fine && err.contains("may now do only what --anonymous permits"), "{err}");
        assert_eq!(said(&directory, TokenVerb::Delete { name: "board".to_owned() }).0, Exit::Problems);
    }
}
