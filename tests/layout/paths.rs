//! The paths that a file names, and what its `use` lines bring into it.

use std::collections::BTreeMap;

use super::lex::Token;
use super::source::{is_name, text};

/// What a file names.
#[derive(Debug, Default)]
pub struct Named {
    /// Every import, every re-export and every path of two parts and more, with its line.
    pub names: Vec<(usize, Vec<String>)>,
    /// The same without what is only re-exported.
    pub needs: Vec<(usize, Vec<String>)>,
    /// The paths of imports and re-exports, by the names they have in this file.
    pub imports: BTreeMap<String, Vec<String>>,
    /// The modules `a::b` of `use a::b::*`.
    pub globs: Vec<Vec<String>>,
}

/// What the tokens of the file of `module` name.
pub fn named(tokens: &[Token], module: &[String]) -> Named {
    let modules: Vec<String> = (0..tokens.len())
        .filter(|at| text(tokens, *at) == "mod")
        .map(|at| text(tokens, at + 1).to_owned())
        .collect();
    let within = enclosing(tokens, module);
    let mut found = Named::default();
    let mut passed_on = BTreeMap::new();
    let mut at = 0;
    while at < tokens.len() {
        if begins_import(tokens, at) {
            let (public, module) = (is_public(tokens, at), within[at].as_slice());
            at += 1;
            use_tree(tokens, &mut at, &[], &mut |line, path, name| {
                let path = absolute(path, module, &modules, &BTreeMap::new());
                if let Some((_, everything_of)) = path.split_last().filter(|(last, _)| *last == "*") {
                    found.globs.push(everything_of.to_vec());
                } else {
                    found.imports.insert(name.to_owned(), path.clone());
                }
                if public {
                    passed_on.insert(name.to_owned(), path.clone());
                } else {
                    found.needs.push((line, path.clone()));
                }
                found.names.push((line, path));
            });
        }
        at += 1;
    }
    at = 0;
    while at < tokens.len() {
        let name = text(tokens, at);
        let begins = is_name(name) && (at == 0 || text(tokens, at - 1) != "::");
        if begins_import(tokens, at) {
            while at < tokens.len() && text(tokens, at) != ";" {
                at += 1;
            }
        } else if begins && text(tokens, at + 1) == "::" {
            let line = tokens[at].line;
            let mut path = vec![name.to_owned()];
            while text(tokens, at + 1) == "::" && is_name(text(tokens, at + 2)) {
                path.push(text(tokens, at + 2).to_owned());
                at += 2;
            }
            let path = absolute(&path, &within[at], &modules, &found.imports);
            found.needs.push((tokens[at].line, path.clone()));
            found.names.push((line, path));
        } else if begins
            && is_used(tokens, at)
            && let Some(path) = passed_on.get(name)
        {
            found.needs.push((tokens[at].line, path.clone()));
        }
        at += 1;
    }
    found
}

/// The module that each token is in: `module`, or one that is written out in its file.
fn enclosing(tokens: &[Token], module: &[String]) -> Vec<Vec<String>> {
    let mut open: Vec<bool> = Vec::new();
    let mut here = module.to_vec();
    let mut within = Vec::with_capacity(tokens.len());
    for at in 0..tokens.len() {
        match text(tokens, at) {
            "{" => {
                let begins = at > 1 && text(tokens, at - 2) == "mod";
                if begins {
                    here.push(text(tokens, at - 1).to_owned());
                }
                open.push(begins);
            }
            "}" if open.pop() == Some(true) => drop(here.pop()),
            _ => {}
        }
        within.push(here.clone());
    }
    within
}

/// `use<'a>` in a bound imports nothing.
fn begins_import(tokens: &[Token], at: usize) -> bool {
    text(tokens, at) == "use" && text(tokens, at + 1) != "<"
}

/// Whether the `use` at `at` is a `pub use`, whoever may see it.
fn is_public(tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or("", |at| text(tokens, at));
    before(1) == "pub"
        || (before(1) == ")" && (2..8).any(|back| before(back) == "pub" && before(back - 1) == "("))
}

/// Whether the name at `at` can be that of a type or of a called function, not of a field or a method.
fn is_used(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |at| text(tokens, at));
    let after = text(tokens, at + 1);
    if text(tokens, at).starts_with(char::is_uppercase) {
        !matches!(before, "struct" | "enum" | "trait" | "type")
    } else {
        after == "(" && !matches!(before, "." | "fn")
    }
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
            "self" if !path.is_empty() => name = path.last().cloned().unwrap_or_default(),
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
        "self" if path.len() > 1 && path[1] == "super" => {
            let ups = path[1..].iter().take_while(|part| *part == "super").count();
            (own(ups), ups + 1)
        }
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
