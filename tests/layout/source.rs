//! Source files and the paths that they name, resolved as far as reading one file can.

use std::collections::BTreeMap;
use std::path::Path;

use super::lex::{Token, tokens};

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
        let names = names(&tokens, &module);
        let lines = text.lines().count() - tested;
        Self { path: path.to_owned(), lines, declares, tests, names, module }
    }

    /// The file that must declare this one, and under which name; `None` for the roots.
    pub fn parent(&self) -> Option<(String, String)> {
        let (name, above) = self.module.split_last()?;
        let parent =
            if above.is_empty() { "src/lib.rs".to_owned() } else { format!("src/{}.rs", above.join("/")) };
        Some((parent, name.clone()))
    }
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

fn is_name(text: &str) -> bool {
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

/// Every path of two parts and more, and every import.
fn names(tokens: &[Token], module: &[String]) -> Vec<(usize, Vec<String>)> {
    let modules: Vec<String> = (0..tokens.len())
        .filter(|at| text(tokens, *at) == "mod")
        .map(|at| text(tokens, at + 1).to_owned())
        .collect();
    let mut imports = BTreeMap::new();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // `use<'a>` in a bound imports nothing.
        if text(tokens, at) == "use" && text(tokens, at + 1) != "<" {
            at += 1;
            use_tree(tokens, &mut at, &[], &mut |line, path, name| {
                let path = absolute(path, module, &modules, &BTreeMap::new());
                imports.insert(name.to_owned(), path.clone());
                found.push((line, path));
            });
        }
        at += 1;
    }
    at = 0;
    while at < tokens.len() {
        let begins = is_name(text(tokens, at)) && (at == 0 || text(tokens, at - 1) != "::");
        if text(tokens, at) == "use" && text(tokens, at + 1) != "<" {
            while at < tokens.len() && text(tokens, at) != ";" {
                at += 1;
            }
        } else if begins && text(tokens, at + 1) == "::" {
            let line = tokens[at].line;
            let mut path = vec![text(tokens, at).to_owned()];
            while text(tokens, at + 1) == "::" && is_name(text(tokens, at + 2)) {
                path.push(text(tokens, at + 2).to_owned());
                at += 2;
            }
            found.push((line, absolute(&path, module, &modules, &imports)));
        }
        at += 1;
    }
    found
}

/// Walks `a::{b, c::*, d as e};` and gives each leaf with the name it is known by.
fn use_tree(
    tokens: &[Token],
    at: &mut usize,
    prefix: &[String],
    leaf: &mut impl FnMut(usize, &[String], &str),
) {
    let mut path = prefix.to_vec();
    let line = tokens.get(*at).map_or(0, |token| token.line);
    let mut name = String::new();
    loop {
        match text(tokens, *at) {
            "{" => {
                *at += 1;
                while !matches!(text(tokens, *at), "}" | "") {
                    use_tree(tokens, at, &path, leaf);
                    if text(tokens, *at) == "," {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "::" => {}
            "as" => {
                name = text(tokens, *at + 1).to_owned();
                *at += 1;
            }
            "self" if !path.is_empty() => {}
            "," | "}" | ";" | "" => break,
            part => {
                path.push(part.to_owned());
                part.clone_into(&mut name);
            }
        }
        *at += 1;
    }
    leaf(line, &path, &name);
}

/// `path` from its crate, given where it is written and what is imported there.
fn absolute(
    path: &[String],
    module: &[String],
    modules: &[String],
    imports: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let own = |up: usize| {
        let above = &module[..module.len().saturating_sub(up)];
        std::iter::once("crate".to_owned()).chain(above.iter().cloned()).collect::<Vec<_>>()
    };
    let first = path.first().map_or("", String::as_str);
    let ups = path.iter().take_while(|part| *part == "super").count();
    let (mut base, skip) = match first {
        "super" => (own(ups), ups),
        "self" => (own(0), 1),
        _ if modules.iter().any(|name| name == first) => (own(0), 0),
        _ => match imports.get(first) {
            Some(full) => (full.clone(), 1),
            None => (Vec::new(), 0),
        },
    };
    base.extend(path[skip..].iter().cloned());
    base
}
