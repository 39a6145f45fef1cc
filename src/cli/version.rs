//! `portreeve version`.

use std::io::Write;

use super::Exit;
use crate::resource::API_VERSION;

pub(super) fn version(out: &mut dyn Write) -> anyhow::Result<Exit> {
    writeln!(
        out,
        "portreeve {} ({API_VERSION}, Docker Engine API 1.41 and later)",
        env!("CARGO_PKG_VERSION")
    )?;
    Ok(Exit::Fine)
}
