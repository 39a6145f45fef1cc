//! The command line: one file a verb. What a verb decides is tested there; here is what they share.

mod run;
mod schema;
mod token;
mod validate;
mod version;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::RunArgs;

/// The operator pattern for plain Docker: declare in YAML what is registered, billed and healed
#[derive(Debug, Parser)]
#[command(name = "portreeve", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  it did not work, or `validate` found problems
  2  the command line, an environment variable or a path is wrong";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Watch the engine and do what the manifests say, until SIGTERM or Ctrl-C
    Run(Box<RunArgs>),
    /// Check manifests without an engine
    Validate(validate::ValidateArgs),
    /// Print or write the JSON Schemas of the kinds
    Schema(schema::SchemaArgs),
    /// Make, list and delete tokens of the HTTP API
    Token(token::TokenArgs),
    /// Print the version
    Version,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All is well.
    Fine,
    /// It worked, and found something wrong.
    Problems,
    /// What was asked for makes no sense.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Problems => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

/// Does what the process's arguments ask for.
pub fn main() -> ExitCode {
    // clap prints its own errors, in colour on a terminal only, and exits with 2 on those of usage.
    let Cli { verb } = Cli::parse();
    // These strip colours where they are not wanted: no terminal, NO_COLOR, TERM=dumb.
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let done = match verb {
        Verb::Run(args) => run::run(*args, &mut err),
        Verb::Validate(args) => validate::validate(&args, &mut std::io::stdin().lock(), &mut out, &mut err),
        Verb::Schema(args) => schema::schema(&args, &mut out, &mut err),
        Verb::Token(args) => token::token(&args, &mut out, &mut err),
        Verb::Version => version::version(&mut out),
    };
    match done {
        Ok(exit) => exit.into(),
        // Whoever reads us has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell a failure of this to.
            let _ = fail(&mut err, &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Says what went wrong, in the words of the compiler-like problems of `validate`.
fn fail(err: &mut dyn Write, message: &str) -> std::io::Result<()> {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    writeln!(err, "{red}error{red:#}: {message}")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_help_names_the_exit_codes() {
        Cli::command().debug_assert();
        assert!(Cli::command().render_long_help().to_string().contains("validate` found problems"));
    }

    #[test]
    fn flags_of_run_are_read_as_written() {
        let cli = Cli::try_parse_from([
            "portreeve",
            "run",
            "--config-dir",
            "a",
            "--config-dir",
            "b:c",
            "--listen",
            "127.0.0.1:1",
            "--observe",
            "--log-format",
            "json",
        ]);
        let Ok(Cli { verb: Verb::Run(args) }) = cli else { panic!("not run: {cli:?}") };
        assert_eq!(args.config_dirs, ["a", "b:c"].map(std::path::PathBuf::from));
        assert!(args.observe && !args.open_metrics);
        assert_eq!(args.log_format, Some(crate::config::LogFormat::Json));
        assert!(Cli::try_parse_from(["portreeve", "run", "--log-format", "xml"]).is_err());
    }
}
