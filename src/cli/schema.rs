//! `portreeve schema [KIND]`: JSON Schemas, for editors and CI.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{Exit, fail, output};
use crate::manifest::nearest;
use crate::resource::{KindId, schema};

/// Flags of `schema`.
#[derive(Args, Debug)]
pub(super) struct SchemaArgs {
    /// Kind, by its name, plural or short name; left out: one schema for a document of any kind
    kind: Option<String>,

    /// Write the schemas of all kinds into this directory instead, and the schemas of `-o json` into its folder
    /// `output`
    #[arg(long, value_name = "DIR", conflicts_with = "kind")]
    write: Option<PathBuf>,
}

pub(super) fn schema(args: &SchemaArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    if let Some(directory) = &args.write {
        write(directory, out)?;
        return Ok(Exit::Fine);
    }
    let text = match args.kind.as_deref().map(|name| (name, KindId::parse(name))) {
        None => schema::any_text(),
        Some((_, Some(kind))) => schema::file_text(kind),
        Some((name, None)) => {
            fail(err, &unknown(name))?;
            return Ok(Exit::Usage);
        }
    };
    out.write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}

fn unknown(name: &str) -> String {
    let names = KindId::ALL.iter().flat_map(|kind| [kind.as_str(), kind.plural()]);
    let near = nearest(name, names).and_then(KindId::parse);
    let hint = match near {
        Some(kind) => format!("did you mean `{kind}`?"),
        None => format!(
            "the kinds are {}",
            KindId::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
        ),
    };
    format!("unknown kind `{}`; {hint}", name.escape_debug())
}

fn write(directory: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let folder = directory.join(output::FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in schema::files().into_iter().chain(output::files()) {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(kind: Option<&str>) -> (Exit, String, String) {
        let args = SchemaArgs { kind: kind.map(str::to_owned), write: None };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = schema(&args, &mut out, &mut err).expect("output");
        let text = |bytes| anstream::adapter::strip_str(&String::from_utf8(bytes).expect("text")).to_string();
        (exit, text(out), text(err))
    }

    #[test]
    fn a_kind_is_found_by_any_of_its_names_and_a_slip_is_answered_with_the_right_one() {
        let (exit, text, _) = printed(Some("heal"));
        assert_eq!((exit, text), (Exit::Fine, schema::file_text(KindId::AutohealPolicy)));
        assert_eq!(printed(None).1, schema::any_text());
        let (exit, out, err) = printed(Some("BilingServices"));
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        assert_eq!(err, "error: unknown kind `BilingServices`; did you mean `BillingService`?\n");
        assert!(printed(Some("pod")).2.contains("the kinds are AlertRule, AutohealPolicy"));
    }

    #[test]
    fn all_schemas_are_written_as_files() {
        let dir = tempfile::tempdir().expect("a directory");
        write(&dir.path().join("new"), &mut Vec::new()).expect("files");
        let path = dir.path().join("new/settings.json");
        assert_eq!(std::fs::read_to_string(path).expect("a file"), schema::file_text(KindId::Settings));
    }
}
