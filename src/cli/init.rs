//! `portreeve init [DIR]`: manifests to start from, with comments, for the containers that run now. They say what is in force
//! already: whoever applies them unread changes how no container is treated.

mod in_force;
mod starter;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use self::starter::Inventory;
use super::client::{Client, ClientError, ServerArgs};
use super::face::Face;
use super::{Exit, files};
use crate::resource::KindId;

/// Flags of `init`.
#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// The directory, created if it does not exist; no file in it is overwritten
    #[arg(value_name = "DIR", default_value = "portreeve")]
    directory: PathBuf,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// What runs, and what is in force.
async fn look(client: &Client) -> Result<Inventory, ClientError> {
    let containers = client.items("containers", &[]).await?;
    Ok(Inventory { containers, objects: files::current(client, KindId::ALL.iter().copied()).await? })
}

pub(super) async fn init(args: &InitArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let InitArgs { directory, server } = args;
    let client = server.client()?;
    let seen = match look(&client).await {
        Ok(seen) => seen,
        Err(ClientError::Unreachable { server, .. }) => {
            face.note(&format!(
                "no Portreeve answers at {server}, so running containers are not included; start `portreeve run` first to \
                include them"
            ))?;
            Inventory::default()
        }
        Err(error) => return Err(error.into()),
    };
    let files = starter::files(&seen);
    for (name, _) in &files {
        let path = directory.join(name);
        if path.exists() {
            return Err(anyhow::anyhow!("{} already exists; nothing was written", path.display()));
        }
    }
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, text) in &files {
        let path = directory.join(name);
        // A file that came into being meanwhile is not overwritten either.
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).open(&path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(face.out, "{}", path.display())?;
    }
    let shown = directory.display();
    writeln!(
        face.err,
        "\nnext: read the files, run `portreeve validate -f {shown}` and `portreeve diff -f {shown}`, and then either"
    )?;
    writeln!(face.err, "  portreeve apply -f {shown}              to send them once, or")?;
    writeln!(face.err, "  portreeve run --config-dir {shown}      to apply each change of the files")?;
    Ok(Exit::Fine)
}
