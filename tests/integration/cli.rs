//! The command line against a Portreeve that runs: transcripts of every verb, as a person would see them.

mod containers;
mod documents;
mod editing;
mod hostile;
mod objects;
mod screen;
mod store;
mod streams;
mod transcript;
mod verbs;

use crate::support::portreeve::Portreeve;
use crate::support::wait;

const BINARY: &str = env!("CARGO_BIN_EXE_portreeve");

/// A Portreeve whose engine is not there: enough for everything that is declared.
async fn without_engine() -> Portreeve {
    serving(Portreeve::new(BINARY).docker_host("unix:///nowhere/docker.sock")).await
}

/// Starts it and waits until it answers, whatever its engines do.
async fn serving(mut portreeve: Portreeve) -> Portreeve {
    portreeve.spawn();
    wait::until("portreeve answers", wait::SOON, || async {
        match portreeve.get("/livez").await {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}; its log:\n{}", portreeve.log())),
        }
    })
    .await;
    portreeve
}
