//! The command line: one file a verb. What a verb decides is tested there; here is what they share.

mod apply;
mod client;
mod completion;
mod delete;
mod deliveries;
mod describe;
mod diff;
mod dry;
mod edit;
mod effects;
mod events;
mod exit;
mod explain;
mod face;
mod fallback;
mod fields;
mod files;
mod get;
mod guess;
mod init;
mod noun;
mod output;
mod paragraph;
mod patience;
mod problems;
mod release;
mod run;
mod schema;
mod status;
mod store;
mod table;
mod test;
mod text;
mod token;
mod top;
mod validate;
mod version;
mod wait;

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use self::exit::{Exit, SOFTWARE, UsageError, fail, is_broken_pipe};
use self::face::Face;
use crate::config::RunArgs;
use crate::manifest::nearest;
use crate::run::RunError;
use crate::terminal::{Screen, line};

/// The operator pattern for plain Docker: declare in YAML what is registered, billed and healed
#[derive(Debug, Parser)]
#[command(name = "portreeve", version, after_help = EXIT_CODES)]
struct Cli {
    /// The same before the verb as after it, for every verb; those that ask no server do without.
    #[command(flatten)]
    server: client::ServerArgs,

    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  it failed; `validate` or `status` found problems; `diff` found differences;
     `wait` timed out; `-f` names no object
  2  the command line, an environment variable or a path is wrong; for `diff`, any error
  3  `store check`: the store is damaged, or this Portreeve cannot use its schema
 70  `run` met a fault of its own and cannot go on; start it again

PORTREEVE_SERVER and PORTREEVE_TOKEN do the same as --server and --token.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run Portreeve until SIGTERM or Ctrl-C
    Run(Box<RunArgs>),
    /// Create and change objects as the files declare them; with --prune also delete
    Apply(apply::ApplyArgs),
    /// List objects, containers, events or deliveries
    Get(get::GetArgs),
    /// Show everything that is known about one object or container
    Describe(describe::DescribeArgs),
    /// Change an object in an editor
    Edit(edit::EditArgs),
    /// Delete objects
    Delete(delete::DeleteArgs),
    /// Show what an apply would change, and for which containers
    Diff(diff::DiffArgs),
    /// Check manifests without an engine
    Validate(validate::ValidateArgs),
    /// Explain a kind and its fields
    Explain(explain::ExplainArgs),
    /// Show what happened and what was decided
    Events(events::EventsArgs),
    /// Show problems and a summary on one screen
    Status(status::StatusArgs),
    /// Show CPU, memory, health and restarts of containers and services
    Top(top::TopArgs),
    /// Wait until an object or container is in a state
    Wait(wait::WaitArgs),
    /// Run a declared probe once, now
    Test(test::TestArgs),
    /// End the quarantine of containers
    Release(release::ReleaseArgs),
    /// Retry waiting deliveries, send parked ones again, or skip them
    Deliveries(deliveries::DeliveriesArgs),
    /// Send parked deliveries again: short for `deliveries replay`
    Replay(deliveries::WhichArgs),
    /// Write a directory of manifests for what runs now
    Init(init::InitArgs),
    /// Print or write the JSON Schemas of the kinds
    Schema(schema::SchemaArgs),
    /// Print the completion script for a shell
    Completion(completion::CompletionArgs),
    /// Write manual pages
    Man(completion::ManArgs),
    /// Create, list and delete tokens of the HTTP API
    Token(token::TokenArgs),
    /// Check the store and back it up, also while Portreeve runs
    Store(store::StoreArgs),
    /// Print the version
    Version(version::VersionArgs),
}

impl Verb {
    /// Which server it asks, if it asks one.
    const fn server(&mut self) -> Option<&mut client::ServerArgs> {
        match self {
            Self::Apply(args) => Some(&mut args.server),
            Self::Get(args) => Some(&mut args.server),
            Self::Describe(args) => Some(&mut args.server),
            Self::Edit(args) => Some(&mut args.server),
            Self::Delete(args) => Some(&mut args.server),
            Self::Diff(args) => Some(&mut args.server),
            Self::Events(args) => Some(&mut args.server),
            Self::Status(args) => Some(&mut args.server),
            Self::Top(args) => Some(&mut args.server),
            Self::Wait(args) => Some(&mut args.server),
            Self::Test(args) => Some(args.server()),
            Self::Release(args) => Some(&mut args.server),
            Self::Deliveries(args) => Some(args.server()),
            Self::Replay(args) => Some(&mut args.server),
            Self::Init(args) => Some(&mut args.server),
            Self::Run(_)
            | Self::Validate(_)
            | Self::Explain(_)
            | Self::Schema(_)
            | Self::Completion(_)
            | Self::Man(_)
            | Self::Token(_)
            | Self::Store(_)
            | Self::Version(_) => None,
        }
    }
}

/// Does what the process's arguments ask for.
pub fn main() -> ExitCode {
    // These strip colours where they are not wanted: no terminal, NO_COLOR, TERM=dumb.
    let (mut out, mut err) = (Screen::new(anstream::stdout()), Screen::new(anstream::stderr()));
    let typed: Vec<OsString> = std::env::args_os().collect();
    let verb = match parse(&typed) {
        Ok(verb) => verb,
        Err(error) => {
            // clap repeats what was typed, or put there by a script, between colours of its own.
            let shown = typed.iter().map(|word| line(&word.to_string_lossy()));
            let error = parse(shown).err().unwrap_or(error);
            return usage(&error, &mut out, &mut err);
        }
    };
    let done = {
        let mut input = std::io::stdin();
        let (width, height) = face::terminal();
        let mut face = Face {
            out: &mut out,
            err: &mut err,
            input: &mut input,
            width,
            height,
            watched: face::watched(),
            asks: face::asks(),
            in_progress: String::new(),
        };
        let done = act(verb, &mut face);
        face.progress("");
        done
    };
    match done {
        Ok(exit) => exit.into(),
        // Whoever reads us has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell a failure of this to.
            let _ = fail(&mut err, &format!("{error:#}"));
            match error.downcast_ref::<RunError>() {
                Some(RunError::Panicked(_)) => ExitCode::from(SOFTWARE),
                _ if error.is::<UsageError>() => Exit::Usage.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Prints what clap has to say: help where it was asked for, else an error of usage, which repeats what was typed.
fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let text = error.render().ansi().to_string();
    // Nothing is left to tell a failure of this to.
    let _ = if error.use_stderr() { err.write_all(text.as_bytes()) } else { out.write_all(text.as_bytes()) };
    let _ = out.flush();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// What the arguments ask for.
fn parse(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Verb, clap::Error> {
    let Cli { server, mut verb } = Cli::try_parse_from(args).map_err(nearer)?;
    if let Some(asked) = verb.server() {
        *asked = server;
    }
    Ok(verb)
}

/// Of a mistyped verb clap finds fewer than we do of kinds and fields.
fn nearer(mut error: clap::Error) -> clap::Error {
    let suggested = error.get(ContextKind::SuggestedSubcommand).is_some();
    if let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand)
        && !suggested
    {
        let command = Cli::command();
        let near = nearest(typed, command.get_subcommands().map(clap::Command::get_name));
        if let Some(near) = near.map(str::to_owned) {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![near]));
        }
    }
    error
}

fn act(verb: Verb, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    match verb {
        Verb::Run(args) => run::run(*args, face.err),
        Verb::Apply(args) => online(apply::apply(&args, face)),
        Verb::Get(args) => online(get::get(&args, face)),
        Verb::Describe(args) => online(describe::describe(&args, face)),
        Verb::Edit(args) => online(edit::edit(&args, face)),
        Verb::Delete(args) => online(delete::delete(&args, face)),
        Verb::Diff(args) => online(diff::diff(&args, face)),
        Verb::Validate(args) => validate::validate(&args, face.input, face.out, face.err),
        Verb::Explain(args) => explain::explain(&args, face),
        Verb::Events(args) => online(events::events(&args, face)),
        Verb::Status(args) => online(status::status(&args, face)),
        Verb::Top(args) => online(top::top(&args, face)),
        Verb::Wait(args) => online(wait::wait(&args, face)),
        Verb::Test(args) => online(test::test(&args, face)),
        Verb::Release(args) => online(release::release(&args, face)),
        Verb::Deliveries(args) => online(deliveries::deliveries(&args, face)),
        Verb::Replay(args) => online(deliveries::replay(&args, face)),
        Verb::Init(args) => online(init::init(&args, face)),
        Verb::Schema(args) => schema::schema(&args, face.out, face.err),
        Verb::Completion(args) => completion::completion(&args, Cli::command(), face),
        Verb::Man(args) => completion::man(&args, Cli::command(), face),
        Verb::Token(args) => token::token(&args, face.out, face.err),
        Verb::Store(args) => online(store::store(&args, face)),
        Verb::Version(args) => version::version(&args, face),
    }
}

/// Runs a verb that asks a server.
fn online(verb: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams of a test, no terminal.
    pub(super) struct Streams {
        out: Screen<Vec<u8>>,
        err: Screen<Vec<u8>>,
        input: std::io::Empty,
    }

    impl Default for Streams {
        fn default() -> Self {
            let screen = || Screen::new(Vec::new());
            Self { out: screen(), err: screen(), input: std::io::empty() }
        }
    }

    impl Streams {
        pub(super) fn face(&mut self) -> Face<'_> {
            Face {
                out: &mut self.out,
                err: &mut self.err,
                input: &mut self.input,
                width: None,
                height: None,
                watched: false,
                asks: false,
                in_progress: String::new(),
            }
        }

        /// Standard output and then standard error, without colours.
        pub(super) fn both(&self) -> String {
            let text = [self.out.inner().as_slice(), self.err.inner().as_slice()].concat();
            anstream::adapter::strip_str(&String::from_utf8(text).expect("text")).to_string()
        }
    }

    #[test]
    fn the_command_line_is_consistent_and_help_names_the_exit_codes() {
        Cli::command().debug_assert();
        assert!(
            Cli::command().render_long_help().to_string().contains("`validate` or `status` found problems")
        );
    }

    #[test]
    fn a_screen_lets_pass_all_that_draws_problems_and_usage() {
        let problem = crate::manifest::Problem::whole("a.yaml", "it is bad").coloured();
        let usage = Cli::command().render_help().ansi().to_string();
        let slip = parse(["portreeve", "gte"]).expect_err("no verb").render().ansi().to_string();
        for text in [problem, usage, slip] {
            let mut screen = Screen::new(Vec::new());
            screen.write_all(text.as_bytes()).expect("a stream");
            assert!(text.contains('\u{1b}'), "{text:?}");
            assert_eq!(String::from_utf8_lossy(screen.inner()), text);
        }
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
        let Ok(Cli { verb: Verb::Run(args), .. }) = cli else { panic!("not run: {cli:?}") };
        assert_eq!(args.config_dirs, ["a", "b:c"].map(std::path::PathBuf::from));
        assert!(args.observe && !args.open_metrics);
        assert_eq!(args.log_format, Some(crate::config::LogFormat::Json));
        assert!(Cli::try_parse_from(["portreeve", "run", "--log-format", "xml"]).is_err());
    }

    #[test]
    fn a_server_is_named_before_the_verb_or_after_it_and_the_later_word_counts() {
        let asked = |line: &str| {
            let mut verb = parse(line.split(' ')).expect(line);
            let server = verb.server().expect(line);
            server.client().expect(line).server()
        };
        assert_eq!(asked("portreeve --server http://a:1 --token t get heal"), "http://a:1");
        assert_eq!(asked("portreeve --server http://a:1 test probe p"), "http://a:1");
        assert_eq!(asked("portreeve --server http://a:1 status --server http://b:2"), "http://b:2");
        assert_eq!(asked("portreeve --server http://a:1 apply -f x --server http://b:2"), "http://b:2");
        // Also verbs that ask none: whoever wraps the program need not know which do.
        for line in [
            "--server http://a:1 validate -f x",
            "validate -f x --server http://a:1",
            "version --token t",
            "token list --token t",
        ] {
            assert!(parse(format!("portreeve {line}").split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_commands_in_the_readme_are_commands() {
        let readme = include_str!("../README.md");
        let lines: Vec<&str> = readme
            .lines()
            .filter_map(|line| line.split_once("portreeve ").filter(|(before, _)| before.starts_with("$ ")))
            .filter(|(before, _)| *before == "$ " || before.ends_with("| "))
            .map(|(_, rest)| rest.split(" #").next().unwrap_or(rest).trim())
            .collect();
        assert!(lines.len() > 12, "{lines:?}");
        for line in lines {
            let words = std::iter::once("portreeve").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_ok(), "portreeve {line}");
        }
    }

    #[test]
    fn a_mistyped_verb_is_answered_with_the_right_one() {
        for (typed, meant) in [("aply", "'apply'"), ("gett", "'get'"), ("desc", "'describe'")] {
            let said = parse(["portreeve", typed]).expect_err("no verb").to_string();
            assert!(said.contains(meant), "{said}");
        }
    }
}
