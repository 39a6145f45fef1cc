//! `portreeve store`: what the store holds and whether it is sound, and a copy of it. Works on the state directory, whether
//! Portreeve runs or not, and takes no lock.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::face::Face;
use super::table::{Cell, Table};
use super::text::{age, bytes, count};
use super::{Exit, fail};
use crate::config::{Process, Storage, state_dir, storage};
use crate::store::{QueueCheck, Sqlite, StoreCheck};

const EXAMPLES: &str = "\
Examples:
  portreeve store check
  portreeve store backup /backup/portreeve-$(date +%F).db
  sudo -u portreeve portreeve store check --state-dir /var/lib/portreeve

To restore a backup: stop Portreeve, delete portreeve.db-wal and portreeve.db-shm in the state directory, copy
the backup over portreeve.db there, and start Portreeve.";

/// Flags of `store`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    verb: StoreVerb,

    /// State directory, as given to `run` [env: PORTREEVE_STATE_DIR] [default: as of `run`]
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum StoreVerb {
    /// Check that everything in the store can be read, and show how much it is; exit code 3: it is not sound
    #[command(after_help = EXAMPLES)]
    Check,
    /// Copy the store to a new file, consistently and checked, also while Portreeve writes to it
    #[command(after_help = EXAMPLES)]
    Backup {
        /// The file; it must not be there yet
        file: PathBuf,
    },
}

pub(super) async fn store(args: &StoreArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let StoreArgs { verb, state_dir: given } = args;
    let path = match place(given.clone()) {
        Ok(path) => path,
        Err(error) => {
            fail(face.err, &error.to_string())?;
            return Ok(Exit::Usage);
        }
    };
    match verb {
        StoreVerb::Check => {
            let found = Sqlite::check(&path).await?;
            show(&path, &found, face)?;
            judge(&found, face)
        }
        StoreVerb::Backup { file } => {
            if file.as_os_str() == "-" {
                fail(face.err, "a backup cannot be written to standard output; name a file")?;
                return Ok(Exit::Usage);
            }
            if file.symlink_metadata().is_ok() {
                fail(face.err, &format!("{} is there already; name a new file", file.display()))?;
                return Ok(Exit::Usage);
            }
            let size = Sqlite::back_up(&path, file).await?;
            writeln!(face.out, "{} is a sound copy of {}, {}", file.display(), path.display(), bytes(size))?;
            Ok(Exit::Fine)
        }
    }
}

/// The database, which must be there.
fn place(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let process = Process::current();
    let directory = state_dir(given, &process)?;
    if !crate::config::state_dir::check(&directory)? {
        anyhow::bail!(
            "there is no state directory {}: name that of `run` with --state-dir",
            directory.display()
        );
    }
    let Storage::Sqlite { path } = storage(&process, &directory)?;
    if !path.exists() {
        anyhow::bail!("there is no store {}: no Portreeve has run with this --state-dir", path.display());
    }
    Ok(path)
}

fn show(path: &Path, found: &StoreCheck, face: &mut Face<'_>) -> std::io::Result<()> {
    let StoreCheck {
        bytes: size,
        free,
        schema,
        pending,
        events,
        oldest,
        containers,
        removed,
        queues: waiting,
        ..
    } = found;
    let since = oldest.map_or_else(String::new, |at| format!(", the oldest of {}", at.rfc3339_millis()));
    let to = pending.iter().max().map_or_else(String::new, |to| {
        let backup = if *schema > 0 { ", with a backup before" } else { "" };
        format!(", and the next start migrates it to {to}{backup}")
    });
    writeln!(face.out, "store       {}", path.display())?;
    writeln!(face.out, "size        {}, {} of it free", bytes(*size), bytes(*free))?;
    writeln!(face.out, "schema      {schema}{to}")?;
    writeln!(face.out, "events      {events}{since}")?;
    writeln!(face.out, "containers  {containers}, and {removed} removed")?;
    let mut queues = Table::new(["TARGET", "KIND", "PENDING", "PARKED", "OLDEST"]);
    let now = face.now();
    for ((kind, target), QueueCheck { pending, parked, oldest }) in waiting {
        let oldest = oldest.map_or_else(|| "-".to_owned(), |at| age(at, now));
        let cells = [target.clone(), kind.clone(), pending.to_string(), parked.to_string(), oldest];
        queues.row(cells.iter().map(Cell::from).collect());
    }
    if !queues.is_empty() {
        queues.print(face.out, 0, face.width)?;
    }
    Ok(())
}

fn judge(found: &StoreCheck, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    for damage in &found.damages {
        fail(face.err, &format!("{}: {}", damage.place, damage.why))?;
    }
    if let Some(refusal) = &found.refusal {
        fail(face.err, &refusal.to_string())?;
    }
    if !found.damages.is_empty() {
        let beside = found.backup.as_ref().map_or_else(String::new, |backup| {
            format!("; {} was made before the last migration", backup.display())
        });
        let damaged = count(found.damages.len(), "damage");
        fail(
            face.err,
            &format!("the store is not sound ({damaged}): stop Portreeve and restore a backup of it{beside}"),
        )?;
    }
    if !found.damages.is_empty() || found.refusal.is_some() {
        return Ok(Exit::Unsound);
    }
    writeln!(face.out, "the store is sound")?;
    Ok(Exit::Fine)
}
