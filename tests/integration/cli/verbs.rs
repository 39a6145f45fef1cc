//! No verb is without a transcript of how it works and of how it fails.

use std::collections::BTreeMap;
use std::path::Path;

use super::BINARY;

/// The verbs that `--help` lists.
fn verbs() -> Vec<String> {
    let help = std::process::Command::new(BINARY).arg("--help").output().expect("help");
    let help = String::from_utf8(help.stdout).expect("text");
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    // Further lines of an explanation are indented more.
    let verbs = lines.filter_map(|line| {
        line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   "))
    });
    verbs.filter(|verb| *verb != "help").map(str::to_owned).collect()
}

/// The verb that decides the exit code of a command: that of the last program in it.
fn verb(script: &str) -> Option<&str> {
    let last = script.rsplit(['|', ';', '&', '\n']).map(str::trim).find(|part| !part.is_empty())?;
    let (before, verb) = last.split_once("portreeve ")?;
    // Variables may be set for it.
    let alone = before.is_empty() || before == "exec " || before.ends_with(' ') && before.contains('=');
    verb.split_whitespace().next().filter(|_| alone)
}

/// For each verb how often it succeeded and how often it failed in a golden file.
fn transcripts() -> BTreeMap<String, (u32, u32)> {
    let mut found: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/cli");
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        for command in text.split("\n$ ").map(|part| part.strip_prefix("$ ").unwrap_or(part)) {
            let (script, printed) = command.split_once('\n').unwrap_or((command, ""));
            let more: String = printed
                .lines()
                .take_while(|line| line.starts_with("> "))
                .map(|l| format!("\n{}", &l[2..]))
                .collect();
            let failed = printed.lines().any(|line| line.starts_with('[') && line.ends_with(']'));
            if let Some(verb) = verb(&format!("{script}{more}")) {
                let (good, bad) = found.entry(verb.to_owned()).or_default();
                *(if failed { bad } else { good }) += 1;
            }
        }
    }
    found
}

#[test]
fn every_verb_is_shown_to_work_and_to_fail() {
    let verbs = verbs();
    assert!(verbs.len() > 20 && verbs.iter().any(|verb| verb == "apply"), "{verbs:?}");
    let transcripts = transcripts();
    let lacking = verbs.iter().filter_map(|verb| {
        let (good, bad) = transcripts.get(verb).copied().unwrap_or_default();
        (good == 0 || bad == 0).then(|| format!("{verb}: {good} successes, {bad} failures"))
    });
    assert_eq!(lacking.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_last_program_decides_the_exit_code() {
    assert_eq!(verb("cat a | portreeve apply -f -"), Some("apply"));
    assert_eq!(verb("A=b portreeve get heal"), Some("get"));
    assert_eq!(verb("EDITOR='sed -i x' portreeve edit a b"), Some("edit"));
    assert_eq!(verb("portreeve get heal | head -1"), None);
    assert_eq!(verb("echo portreeve get"), None);
}
