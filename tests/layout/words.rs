//! Words for persons, which no text that users read has: a container or a service is "it" and "which".

use std::path::Path;

/// What is said of persons, and words that no reader of manuals knows.
const BANNED: [&str; 8] =
    ["nobody", "somebody", "whom", "whoever", "whomever", "anew", "afresh", "no verdict any more"];

/// The files that hold what `explain`, the schemas, the verdict table and healing decisions say. They
/// are generated or compared by tests of their own, so this reads what users read.
pub fn read(root: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut directories: Vec<_> = ["schemas", "tests/golden", "tests/scenarios", "src/probe/verdict"]
        .map(|name| root.join(name))
        .into();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "json" || end == "txt" || end == "md") {
                let name = path.strip_prefix(root).expect("below the root").display().to_string();
                texts.push((name, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    let flags = "src/config/args.rs";
    texts.push((flags.to_owned(), std::fs::read_to_string(root.join(flags)).expect("text")));
    texts
}

/// One line for each banned word, with file and line.
pub fn banned(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line, words) in text.lines().enumerate() {
        let prose: String = words.split('`').step_by(2).collect();
        let plain: String = prose.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        let plain = format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
        let hits = BANNED.iter().filter(|word| plain.contains(&format!(" {word} ")));
        found.extend(hits.map(|word| format!("{name}:{}: {word:?}: say which thing does what", line + 1)));
    }
    found
}

#[test]
fn a_banned_word_is_found_as_a_word_alone() {
    assert_eq!(banned("f", "fine\n(Nobody is told)").len(), 1);
    assert_eq!(banned("f", "a renewal; somebodys").len(), 0);
}
