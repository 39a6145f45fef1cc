//! `portreeve validate -f PATH...`: are these manifests good? Offline: no engine, no running Portreeve.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::text::count;
use super::{Exit, UsageError, fail, files};
use crate::desired::{Desired, Sources};
use crate::manifest::{Loaded, LoadedSet, Problem};
use crate::resource::{KindId, ObjectKey, not_ours};

/// Flags of `validate`.
#[derive(Args, Debug)]
pub(super) struct ValidateArgs {
    /// Files and directories, taken together as one configuration; `-` is standard input. It is an error if they
    /// declare nothing
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true, num_args = 1..)]
    paths: Vec<PathBuf>,

    /// Output format; `github` prints annotations of a GitHub workflow
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
    let Desired { mut problems, warnings, .. } =
        Desired::of(Sources { directory: Some(&set), ..Sources::default() });
    if files::is_nothing(&set) {
        let why = files::nothing(&args.paths);
        if args.output == Output::Text {
            fail(err, &why)?;
            return Ok(Exit::Problems);
        }
        let first = args.paths.first().map_or_else(String::new, |path| path.display().to_string());
        problems.push(Problem::whole(&first, &why));
    }
    let exit = if problems.is_empty() { Exit::Fine } else { Exit::Problems };
    match args.output {
        Output::Text => text(&set, &problems, &warnings, out)?,
        Output::Json => json(set, problems, warnings, out)?,
        Output::Github => {
            github("error", &problems, out)?;
            github("warning", &warnings, out)?;
        }
    }
    Ok(exit)
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
    let objects = count(set.objects.len(), "object");
    let problems = match problems.len() {
        0 => "no problems".to_owned(),
        found => count(found, "problem"),
    };
    let mut words = vec![objects, problems];
    words.extend((!warnings.is_empty()).then(|| count(warnings.len(), "warning")));
    words.extend((!set.others.is_empty()).then(|| not_ours(set.others.len())));
    writeln!(out, "{}", words.join(", "))
}

/// What `-o json` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Validation")]
pub(super) struct ValidateDocument {
    valid: bool,
    objects: Vec<Declared>,
    problems: Vec<Found>,
    warnings: Vec<Found>,
    /// Files in directories that belong to other tools and are ignored.
    other_files: Vec<String>,
}

/// An object that was read.
#[derive(Serialize, JsonSchema)]
struct Declared {
    #[schemars(with = "String")]
    kind: KindId,
    name: String,
    file: String,
    line: usize,
}

/// A problem or a warning; without a line it concerns the whole file.
#[derive(Serialize, JsonSchema)]
struct Found {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

fn json(
    set: LoadedSet,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let declared = |Loaded { object, place, .. }: Loaded| {
        let ObjectKey { kind, name } = object.key();
        Declared { kind, name, file: place.file, line: place.line }
    };
    let found = |Problem { file, line, column, message, .. }| Found { file, line, column, message };
    let document = ValidateDocument {
        valid: problems.is_empty(),
        other_files: set.others,
        objects: set.objects.into_iter().map(declared).collect(),
        problems: problems.into_iter().map(found).collect(),
        warnings: warnings.into_iter().map(found).collect(),
    };
    let text = format!("{:#}", serde_json::to_value(document)?);
    writeln!(out, "{}", crate::terminal::json(&text))?;
    Ok(())
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
    fn references_are_told_beside_other_faults_and_what_has_a_fault_is_there() {
        let text = "\
apiVersion: portreeve/v1
kind: MonitoredService
metadata: {name: shop}
spec:
  selector: {names: [shop]}
  minHealthy: many
  dependsOn: [db, dba]
  autoheal: {policyRef: gentel}
---
apiVersion: portreeve/v1
kind: MonitoredService
metadata: {name: db}
spec: {selector: {names: [db]}, dependsOn: [shopp]}
---
apiVersion: portreeve/v1
kind: AutohealPolicy
metadata: {name: gentle}
spec: {minUnhealthy: perhaps}
";
        let (exit, said) = validated(&["-"], text, Output::Github);
        assert_eq!(exit, Exit::Problems);
        let lines: Vec<&str> =
            said.lines().filter_map(|line| line.split_once(",line=")).map(|(_, line)| line).collect();
        let expected = [
            "6,col=15::spec.minHealthy: \"many\" is not an amount: write a whole number such as 2, or a share from \"0%25\" to \"100%25\"",
            "7,col=19::spec.dependsOn[1]: there is no MonitoredService named `dba`; did you mean `db`?",
            "8,col=25::spec.autoheal.policyRef: there is no AutohealPolicy named `gentel`; did you mean `gentle`?",
            "13,col=45::spec.dependsOn[0]: there is no MonitoredService named `shopp`; did you mean `shop`?",
            "18,col=22::spec.minUnhealthy: ",
        ];
        assert_eq!(lines.len(), expected.len(), "{said}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{expected}: {said}");
        }
    }

    #[test]
    fn files_of_other_tools_are_counted_and_one_that_is_named_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path.to_str().expect("text").to_owned()
        };
        let compose = put("compose.yaml", "services: {}\n");
        put("renovate.json", "{}");
        put("a.yaml", &BAD.replace("resinc", "resync"));
        let path = dir.path().to_str().expect("text");
        let expected = "1 object, no problems, 2 files that are not Portreeve's\n";
        assert_eq!(validated(&[path], "", Output::Text), (Exit::Fine, expected.to_owned()));
        let (_, text) = validated(&[path], "", Output::Json);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["otherFiles"].as_array().map(Vec::len), Some(2), "{text}");
        for (paths, input) in [(vec![compose.as_str()], ""), (vec!["-"], "services: {}\n")] {
            let (exit, text) = validated(&paths, input, Output::Text);
            assert!(
                exit == Exit::Problems && text.contains("this is not a document of Portreeve's"),
                "{text}"
            );
        }
        put(".portreeveignore", "compose.yaml\n");
        let (_, text) = validated(&[path], "", Output::Text);
        assert_eq!(text, "1 object, no problems, 1 file that is not Portreeve's\n");
    }

    #[test]
    fn a_warning_is_shown_and_does_not_fail() {
        let odd = "apiVersion: portreeve/v1\nkind: NotificationSink\nmetadata: {name: a}\nspec: {log: {}}\n";
        let (exit, text) = validated(&["-"], odd, Output::Text);
        assert_eq!(exit, Exit::Fine);
        assert!(text.starts_with("warning: selects no container, and nothing refers to it"), "{text}");
        assert!(text.ends_with("1 object, no problems, 2 warnings\n"), "{text}");
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
    fn nothing_at_all_is_a_problem_for_a_wrong_path_must_not_pass() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_str().expect("text");
        let (exit, text) = validated(&[path, "-"], "# nothing\n", Output::Text);
        assert_eq!(exit, Exit::Problems);
        let expected = format!("error: no objects passed: none is declared in {path}, standard input\n");
        assert_eq!(text, expected);
        let (exit, text) = validated(&[path], "", Output::Json);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((exit, &value["valid"]), (Exit::Problems, &false.into()));
        let (_, text) = validated(&["-"], "", Output::Github);
        assert!(text.starts_with("::error file=-::no objects passed"), "{text}");
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
