//! Portreeve's program.
use clap::Parser;
use portreeve::config::{Process, RunArgs, RunConfig};
#[derive(Parser)]
enum Cli {
    Run(RunArgs),
}
#[tokio::main]
async fn main() {
    let Cli::Run(args) = Cli::parse();
    let config = RunConfig::resolve(args, &Process::current()).unwrap();
    portreeve::run::run(config).await.unwrap();
}
