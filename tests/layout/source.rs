//! Source files and the paths that they name, resolved as far as reading one file can.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lex::{Token, tokens};
use super::{items, paths};

/// One file below `src`.
#[derive(Debug)]
pub struct File {
    /// From the repository's top, as in `src/store/sqlite.rs`.
    pub path: String,
    /// As in `["store", "sqlite"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    /// Lines without those of test modules.
    pub lines: usize,
    /// Modules it declares in files of their own.
    pub declares: Vec<String>,
    /// Those of them that are there for tests alone.
    pub tests: Vec<String>,
    /// Paths it names outside of tests: the line, and the path from a crate's name or `crate`.
    pub names: Vec<(usize, Vec<String>)>,
    /// Those of them that it needs itself: a `pub use` only passes on what others need.
    pub needs: Vec<(usize, Vec<String>)>,
    /// What its imports and re-exports bring in, by the name it has here.
    pub imports: BTreeMap<String, Vec<String>>,
    /// Modules of which it imports or re-exports everything.
    pub globs: Vec<Vec<String>>,
    /// What it defines outside of tests, impl blocks and functions: the name, and the line.
    pub defines: BTreeSet<items::Item>,
}

/// All files below `src`, in order.
pub fn read(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    let mut directories = vec![root.join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source is text");
                let relative = path.strip_prefix(root).expect("below the root").display().to_string();
                files.push(File::parse(&relative, &text));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let tests: Vec<Vec<String>> = files
        .iter()
        .flat_map(|file| {
            file.tests.iter().map(|name| [file.module.as_slice(), std::slice::from_ref(name)].concat())
        })
        .collect();
    // Files of tests only: they are bound by no law but to be declared.
    for file in files.iter_mut().filter(|file| tests.iter().any(|test| file.module.starts_with(test))) {
        file.lines = 0;
        file.names.clear();
        file.needs.clear();
        file.defines.clear();
    }
    files
}

impl File {
    pub fn parse(path: &str, text: &str) -> Self {
        let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
        let module: Vec<String> = match inner {
            "lib" | "main" => Vec::new(),
            _ => inner.split('/').map(str::to_owned).collect(),
        };
        let mut tokens = tokens(text);
        let (declares, tests) = (declared(&tokens), declared_for_tests(&tokens));
        let tested = cut_tests(&mut tokens);
        let paths::Named { names, needs, imports, globs } = paths::named(&tokens, &module);
        let defines = items::defined(&tokens);
        let lines = text.lines().count() - tested;
        Self { path: path.to_owned(), lines, declares, tests, names, needs, imports, globs, defines, module }
    }

    /// The file that must declare this one, and under which name; `None` for the roots.
    pub fn parent(&self) -> Option<(String, String)> {
        let (name, above) = self.module.split_last()?;
        let parent =
            if above.is_empty() { "src/lib.rs".to_owned() } else { format!("src/{}.rs", above.join("/")) };
        Some((parent, name.clone()))
    }
}

pub fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn declared(tokens: &[Token]) -> Vec<String> {
    let declarations =
        (0..tokens.len()).filter(|at| text(tokens, *at) == "mod" && text(tokens, at + 2) == ";");
    declarations.map(|at| text(tokens, at + 1).to_owned()).collect()
}

/// The names of `#[cfg(test)] mod …;`.
fn declared_for_tests(tokens: &[Token]) -> Vec<String> {
    let declarations = (0..tokens.len()).filter(|at| {
        (0..TESTS_ONLY.len()).all(|n| text(tokens, at + n) == TESTS_ONLY[n]) && text(tokens, at + 9) == ";"
    });
    declarations.map(|at| text(tokens, at + 8).to_owned()).collect()
}

/// How a module of tests begins.
const TESTS_ONLY: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];

/// Removes `#[cfg(test)] mod … { … }` and gives the number of lines removed.
fn cut_tests(tokens: &mut Vec<Token>) -> usize {
    let mut lines = 0;
    while let Some(begin) = (0..tokens.len()).find(|at| {
        (0..TESTS_ONLY.len()).all(|n| text(tokens, at + n) == TESTS_ONLY[n]) && text(tokens, at + 9) == "{"
    }) {
        let (mut depth, mut end) = (0_i32, begin + 9);
        while end < tokens.len() {
            depth += match text(tokens, end) {
                "{" => 1,
                "}" => -1,
                _ => 0,
            };
            if depth == 0 {
                break;
            }
            end += 1;
        }
        let last = end.min(tokens.len() - 1);
        lines += tokens[last].line - tokens[begin].line + 1;
        tokens.drain(begin..=last);
    }
    lines
}
