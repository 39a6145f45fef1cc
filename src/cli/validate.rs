//! `portreeve validate -f PATH...`: are these manifests good? Offline: no engine, no running Portreeve.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Exit, UsageError, fail, files};
use crate::desired::{Desired, Sources};
use crate::manifest::{LoadedSet, Problem};

/// Flags of `validate`.
#[derive(Args, Debug)]
pub(super) struct ValidateArgs {
    /// Files and directories, seen as one configuration; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true, num_args = 1..)]
    paths: Vec<PathBuf>,

    /// For people, for programs, or as annotations of a GitHub workflow
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    Github,
}

pub(super) fn validate(
    args: &ValidateArgs,
    input: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let set = match files::load(&args.paths, input) {
        Ok(set) => set,
        Err(error) if error.is::<UsageError>() => {
            fail(err, &error.to_string())?;
            return Ok(Exit::Usage);
        }
        Err(error) => return Err(error),
    };
    let Desired { problems, warnings, .. } =
        Desired::of(Sources { directory: Some(&set), ..Sources::default() });
    match args.output {
        Output::Text => text(&set, &problems, &warnings, out)?,
        Output::Json => json(&set, &problems, &warnings, out)?,
        Output::Github => {
            github("error", &problems, out)?;
            github("warning", &warnings, out)?;
        }
    }
    Ok(if problems.is_empty() { Exit::Fine } else { Exit::Problems })
}

fn text(
    set: &LoadedSet,
    problems: &[Problem],
    warnings: &[Problem],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    for problem in problems.iter().chain(warnings) {
        writeln!(out, "{}\n", problem.coloured())?;
    }
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let objects = count(set.objects.len(), "object");
    let problems = match problems.len() {
        0 => "no problems".to_owned(),
        found => count(found, "problem"),
    };
    match warnings.len() {
        0 => writeln!(out, "{objects}, {problems}"),
        found => writeln!(out, "{objects}, {problems}, {}", count(found, "warning")),
    }
}

fn json(
    set: &LoadedSet,
    problems: &[Problem],
    warnings: &[Problem],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let objects: Vec<_> = set
        .objects
        .iter()
        .map(|loaded| {
            let key = loaded.object.key();
            json!({"kind": key.kind, "name": key.name, "file": loaded.place.file, "line": loaded.place.line})
        })
        .collect();
    let found = |problems: &[Problem]| {
        let shown = |Problem { file, line, column, message, .. }: &Problem| json!({"file": file, "line": line, "column": column, "message": message});
        problems.iter().map(shown).collect::<Vec<_>>()
    };
    let text = json!({
        "valid": problems.is_empty(),
        "objects": objects,
        "problems": found(problems),
        "warnings": found(warnings),
    });
    writeln!(out, "{text:#}")
}

/// Workflow commands: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
fn github(command: &str, problems: &[Problem], out: &mut dyn Write) -> std::io::Result<()> {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    for Problem { file, line, column, message, .. } in problems {
        write!(out, "::{command} file={}", property(file))?;
        if let (Some(line), Some(column)) = (line, column) {
            write!(out, ",line={line},col={column}")?;
        }
        writeln!(out, "::{}", data(message))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: &str =
        "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {resinc: 5m}\n";

    fn validated(paths: &[&str], input: &str, output: Output) -> (Exit, String) {
        let args = ValidateArgs { paths: paths.iter().map(PathBuf::from).collect(), output };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = validate(&args, &mut input.as_bytes(), &mut out, &mut err).expect("output");
        out.append(&mut err);
        let text = String::from_utf8(out).expect("text");
        (exit, anstream::adapter::strip_str(&text).to_string())
    }

    #[test]
    fn good_manifests_exit_with_0_and_bad_ones_with_1() {
        let good = BAD.replace("resinc", "resync");
        assert_eq!(
            validated(&["-"], &good, Output::Text),
            (Exit::Fine, "1 object, no problems\n".to_owned())
        );
        let expected = "\
error: spec: unknown field `resinc`; did you mean `resync`?
 --> <stdin>:4:8
  |
4 | spec: {resinc: 5m}
  |        ^^^^^^

0 objects, 1 problem
";
        assert_eq!(validated(&["-"], BAD, Output::Text), (Exit::Problems, expected.to_owned()));
    }

    #[test]
    fn a_warning_is_shown_and_does_not_fail() {
        let odd = "apiVersion: portreeve/v1\nkind: NotificationSink\nmetadata: {name: a}\nspec: {log: {}}\n";
        let (exit, text) = validated(&["-"], odd, Output::Text);
        assert_eq!(exit, Exit::Fine);
        assert!(text.starts_with("warning: selects no container, and nothing refers to it"), "{text}");
        assert!(text.ends_with("1 object, no problems, 1 warning\n"), "{text}");
        let (_, text) = validated(&["-"], odd, Output::Json);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["valid"], &value["warnings"][0]["line"]), (&true.into(), &3.into()));
        let (_, text) = validated(&["-"], odd, Output::Github);
        assert!(text.starts_with("::warning file=<stdin>,line=3,col=18::selects no"), "{text}");
    }

    #[test]
    fn programs_and_workflows_get_their_own_forms() {
        let (_, text) = validated(&["-"], BAD, Output::Json);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["valid"], &value["problems"][0]["line"]), (&false.into(), &4.into()));
        let (_, text) = validated(&["-"], BAD, Output::Github);
        let expected =
            "::error file=<stdin>,line=4,col=8::spec: unknown field `resinc`; did you mean `resync`?\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn directories_and_files_are_seen_as_one_and_a_missing_path_is_a_slip_of_usage() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, BAD.replace("resinc", "resync")).expect("a file");
        let path = path.to_str().expect("text");
        let (exit, text) = validated(&[path, "-"], BAD, Output::Text);
        assert_eq!(exit, Exit::Problems);
        assert!(text.ends_with("1 object, 1 problem\n"), "{text}");
        let (exit, text) = validated(&["/nowhere/at/all"], "", Output::Text);
        assert_eq!(exit, Exit::Usage);
        assert!(text.starts_with("error: /nowhere/at/all: No such file"), "{text}");
    }
}
