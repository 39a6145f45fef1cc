//! `portreeve version`.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::Exit;
use super::face::{Face, Format};
use crate::resource::API_VERSION;

/// The oldest API of an engine that will do.
const ENGINE: &str = "1.41";

/// Flags of `version`.
#[derive(Args, Debug)]
pub(super) struct VersionArgs {
    /// For people or for programs
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// What `-o json` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Version")]
pub(super) struct VersionDocument {
    /// Version of this program.
    version: &'static str,
    /// Version of the manifest format.
    api_version: &'static str,
    /// The oldest supported API version of a Docker engine.
    oldest_engine_api: &'static str,
}

pub(super) fn version(args: &VersionArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    match args.output {
        Format::Text => {
            writeln!(face.out, "portreeve {version} ({API_VERSION}, Docker Engine API {ENGINE} and later)")?;
        }
        Format::Json => {
            let document = VersionDocument { version, api_version: API_VERSION, oldest_engine_api: ENGINE };
            face.json(&serde_json::to_value(document)?)?;
        }
    }
    Ok(Exit::Fine)
}
