//! Portreeve's program.
use clap::Parser;
use portreeve::config::{Process, RunArgs, RunConfig};
#[derive(Parser)]
enum Cli {
    Run(RunArgs),
}
#[tokio::main]
async fn main() -> std::process::ExitCode {
    let Cli::Run(args) = Cli::parse();
    let ended = match RunConfig::resolve(args, &Process::current()) {
        Ok(config) => portreeve::run::run(config).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portreeve: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
