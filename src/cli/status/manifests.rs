//! What is declared where: the directories with their commits and errors, the repository, what is suspended.

use std::io;

use serde_json::Value;

use super::value::{number, text};
use crate::cli::face::Face;
use crate::cli::paragraph::paragraph;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age_of, count, plain, scalar};
use crate::manifest::git::short;
use crate::observed::Nanos;
use crate::resource::not_ours;

pub(super) fn show(manifests: &Value, face: &mut Face<'_>) -> io::Result<()> {
    let now = face.now();
    let problems = list(manifests, "/problems").len();
    let mut words = vec![count(number(manifests, "/objects"), "object"), count(problems, "problem")];
    let unresolved = unresolved(manifests).count();
    words.extend((unresolved > 0).then(|| count(unresolved, "unresolved reference")));
    let others: u64 = list(manifests, "/directories").iter().map(|item| number(item, "/otherFiles")).sum();
    if let Some(others) = usize::try_from(others).ok().filter(|others| *others > 0) {
        words.push(not_ours(others));
    }
    writeln!(face.out, "manifests   {}", words.join(", "))?;
    let mut table = directories(list(manifests, "/directories"), now);
    if !table.is_empty() {
        table.print(face.out, 2, face.width)?;
    }
    if let Some(git) = manifests.pointer("/git").filter(|git| git.is_object()) {
        let at =
            scalar(git, "/commit").map_or_else(|| "nothing".to_owned(), |commit| short(&commit).to_owned());
        let pulled = match age_of(git, "/pulled", now).as_str() {
            "-" => cloning(git, now).unwrap_or_else(|| "not pulled by this process yet".to_owned()),
            age => format!("pulled {age} ago"),
        };
        let line = format!("git         {} of {}: {at}, {pulled}", text(git, "/ref"), text(git, "/url"));
        paragraph(face.out, &line, Tone::Plain, (0, 12), face.width)?;
    }
    let suspended = text(manifests, "/suspended").replace(',', ", ");
    if !suspended.is_empty() {
        paragraph(face.out, &format!("suspended   {suspended}"), Tone::Odd, (0, 12), face.width)?;
    }
    let inert = manifests.get("inert").and_then(Value::as_object).into_iter().flatten();
    let inert: Vec<String> = inert.map(|(kind, number)| format!("{} {number}", plain(kind))).collect();
    if !inert.is_empty() {
        let kinds = Tone::Odd.paint(&inert.join(", "));
        writeln!(face.out, "no effect   {kinds}: this version does nothing for them")?;
    }
    Ok(())
}

/// How far a first clone is.
fn cloning(git: &Value, now: Nanos) -> Option<String> {
    let progress = scalar(git, "/pulling/progress")?;
    if scalar(git, "/commit").is_some() {
        return None;
    }
    let progress = if progress.is_empty() { progress } else { format!(": {progress}") };
    Some(format!("still cloning, for {} so far{progress}", age_of(git, "/pulling/since", now)))
}

/// What objects name that is not there.
pub(super) fn unresolved(manifests: &Value) -> impl Iterator<Item = String> {
    list(manifests, "/unresolved").iter().filter_map(Value::as_str).map(plain)
}

/// What is wrong with the pulling, if anything is.
pub(super) fn wrong(manifests: &Value) -> Option<String> {
    let git = manifests.pointer("/git")?;
    Some(format!("git {}: {}", scalar(git, "/error/reason")?, scalar(git, "/error/message")?))
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn directories(items: &[Value], now: Nanos) -> Table {
    let mut table = Table::new(["DIRECTORY", "COMMIT", "OBJECTS", "APPLIED", "ERROR"]);
    for item in items {
        let commit = scalar(item, "/revision/commit").map(|commit| {
            let branch =
                scalar(item, "/revision/branch").map_or_else(String::new, |branch| format!("{branch} "));
            let changed = if item.pointer("/revision/changed") == Some(&Value::Bool(true)) {
                " + changes not committed"
            } else {
                ""
            };
            format!("{branch}{}{changed}", short(&commit))
        });
        table.row(vec![
            text(item, "/path").into(),
            commit.unwrap_or_else(|| "-".to_owned()).into(),
            text(item, "/objects").into(),
            age_of(item, "/applied", now).into(),
            error(item).map_or_else(|| "-".into(), |error| Cell::new(error, Tone::Bad)),
        ]);
    }
    table
}

/// The first error with its place, as seen from the directory, and how many there are beside it.
fn error(directory: &Value) -> Option<String> {
    let problems = list(directory, "/problems");
    let first = problems.first()?;
    let (root, file) = (text(directory, "/path"), text(first, "/file"));
    let file =
        file.strip_prefix(&root).map_or(file.as_str(), |below| below.trim_start_matches('/')).to_owned();
    let place =
        [Some(file).filter(|file| !file.is_empty()), scalar(first, "/line"), scalar(first, "/column")];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(":");
    let colon = if place.is_empty() { "" } else { ": " };
    let more = match problems.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{place}{colon}{}{more}", text(first, "/message")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn each_directory_is_shown_with_its_commit_its_objects_and_its_first_error() {
        let problem =
            |file: &str, line: Value| json!({"file": file, "line": line, "column": line, "message": "bad"});
        let manifests = json!({
            "objects": 7,
            "problems": ["x", "y", "z"],
            "directories": [
                {"path": "/etc/a", "objects": 2, "revision": {"commit": "1".repeat(40), "branch": "main"},
                 "problems": [problem("/etc/a/sub/b.yaml", json!(3)), problem("/etc/a/c.yaml", json!(1))]},
                {"path": "/etc/b", "objects": 0, "otherFiles": 2, "revision": null, "problems": [problem("/etc/b", Value::Null)]},
                {"path": "/s/git/current", "objects": 1, "revision": {"commit": "2".repeat(64), "branch": null, "changed": true}, "problems": []},
            ],
            "git": {"url": "https://h/x", "ref": "main", "commit": "2".repeat(64), "pulled": null,
                    "error": {"reason": "PullFailed", "message": "no network"}},
            "suspended": ["BillingService/b", "Probe/p"],
            "inert": {"AlertRule": 2, "Workload": 1},
            "unresolved": ["MonitoredService/web: spec.dependsOn[0]: there is no MonitoredService named `dbb`"],
        });
        let mut streams = Streams::default();
        show(&manifests, &mut streams.face()).expect("output");
        let expected = "\
manifests   7 objects, 3 problems, 1 unresolved reference, 2 files that are not Portreeve's
  DIRECTORY       COMMIT                                OBJECTS  APPLIED  ERROR
  /etc/a          main 111111111111                     2        -        sub/b.yaml:3:3: bad (and 1 more)
  /etc/b          -                                     0        -        bad
  /s/git/current  222222222222 + changes not committed  1        -        -
git         main of https://h/x: 222222222222, not pulled by this process yet
suspended   BillingService/b, Probe/p
no effect   AlertRule 2, Workload 1: this version does nothing for them
";
        let mut cloning = manifests.clone();
        cloning["git"]["commit"] = Value::Null;
        cloning["git"]["pulling"] = json!({"since": streams.face().now().rfc3339_millis(), "progress": "Receiving objects:  42% (5/12)"});
        let mut other = Streams::default();
        show(&cloning, &mut other.face()).expect("output");
        let says = "git         main of https://h/x: nothing, still cloning, for 0s so far: Receiving objects:  42% (5/12)";
        let said = other.both().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&says.split_whitespace().collect::<Vec<_>>().join(" ")), "{said}");
        assert_eq!(unresolved(&manifests).count(), 1);
        assert_eq!(streams.both(), expected);
        assert_eq!(wrong(&manifests).as_deref(), Some("git PullFailed: no network"));
        assert_eq!(wrong(&json!({"git": {"error": null}})), None);
    }
}
