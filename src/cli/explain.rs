//! `portreeve explain KIND[.field...]`: the documentation of the kinds, without a server.

use clap::Args;

use super::face::Face;
use super::Exit;

/// Flags of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A kind and perhaps the way to one of its fields, such as `autohealpolicy.spec.backoff`; left out: all kinds
    #[arg(value_name = "KIND[.FIELD]")]
    what: Option<String>,
}

pub(super) fn explain(args: &ExplainArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let _ = (args, face);
    Ok(Exit::Fine)
}
