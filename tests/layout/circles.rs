//! Circles: files that need each other. A file needs another when it names something that is defined there, by
//! whatever re-exports the name comes; `mod` and `pub use` by themselves need nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::File;

/// Which files each file needs, and in which line it first says so.
pub type Needs<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// Files by their modules.
struct Tree<'a> {
    files: BTreeMap<&'a [String], &'a File>,
}

impl<'a> Tree<'a> {
    fn new(files: &'a [File]) -> Self {
        let files = files.iter().filter(|file| file.path != "src/main.rs");
        Self { files: files.map(|file| (file.module.as_slice(), file)).collect() }
    }

    /// The file that defines what `path` names; `None` for a module and for what is of another crate.
    fn defining(&self, path: &[String], depth: usize) -> Option<&'a File> {
        let (krate, mut rest) = path.split_first()?;
        if !matches!(krate.as_str(), "crate" | "portreeve") || depth > 16 {
            return None;
        }
        let mut file = *self.files.get(&[] as &[String])?;
        while let [name, further @ ..] = rest {
            let inner = [file.module.as_slice(), std::slice::from_ref(name)].concat();
            let module = self.files.get(inner.as_slice());
            if let Some(module) = module.filter(|_| !further.is_empty()) {
                file = module;
                rest = further;
                continue;
            }
            // A re-export of a module's function with the module's own name leads back here by way of the module.
            if let Some(import) = file.imports.get(name)
                && import.as_slice() != path
            {
                return self.defining(&[import.as_slice(), further].concat(), depth + 1);
            }
            if file.defines.iter().any(|item| item.name == *name) {
                return Some(file);
            }
            if module.is_some() {
                return None;
            }
            let through = file.globs.iter().filter_map(|glob| {
                let full = [glob.as_slice(), rest].concat();
                let found = self.defining(&full, depth + 1)?;
                found.defines.iter().any(|item| item.name == *name).then_some(found)
            });
            return Some(through.into_iter().next().unwrap_or(file));
        }
        None
    }
}

/// What each of `files` needs of the others.
pub fn needs(files: &[File]) -> Needs<'_> {
    let tree = Tree::new(files);
    let mut needs = Needs::new();
    for file in files {
        let mut of_file = BTreeMap::new();
        for (line, path) in &file.needs {
            if let Some(other) = tree.defining(path, 0).filter(|other| other.path != file.path) {
                let first = of_file.entry(other.path.as_str()).or_insert(*line);
                *first = (*first).min(*line);
            }
        }
        needs.insert(file.path.as_str(), of_file);
    }
    needs
}

/// For each file that is in a circle the shortest one; each circle once.
pub fn circles<'a>(needs: &Needs<'a>) -> Vec<Vec<&'a str>> {
    let mut found = BTreeMap::new();
    for file in needs.keys() {
        if let Some(circle) = shortest(needs, file) {
            let members: BTreeSet<&str> = circle.iter().copied().collect();
            found.entry(members).or_insert(circle);
        }
    }
    found.into_values().collect()
}

/// The shortest way from `begin` back to it.
fn shortest<'a>(needs: &Needs<'a>, begin: &'a str) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([begin]);
    while let Some(at) = queue.pop_front() {
        for next in needs.get(at).into_iter().flat_map(BTreeMap::keys) {
            if *next == begin {
                let mut circle = vec![at];
                while let Some(before) = came_from.get(circle[circle.len() - 1]) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

/// `src/a.rs → src/b.rs → src/a.rs`, each with the line in which it names the next.
fn shown(needs: &Needs<'_>, circle: &[&str]) -> String {
    let mut text = String::new();
    for (n, file) in circle.iter().enumerate() {
        let next = circle[(n + 1) % circle.len()];
        text += &format!("{file}:{} → ", needs[file][next]);
    }
    format!("{text}{}", circle[0])
}

/// One line for each circle.
pub fn violations(files: &[File]) -> Vec<String> {
    let all = needs(files);
    circles(&all).iter().map(|circle| format!("a circle: {}", shown(&all, circle))).collect()
}

#[cfg(test)]
fn found(texts: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<File> = texts.iter().map(|(path, text)| File::parse(path, text)).collect();
    violations(&files)
}

#[test]
fn two_files_that_need_each_other_are_a_circle() {
    let texts = [
        ("src/lib.rs", "pub mod a;\npub mod b;"),
        ("src/a.rs", "use crate::b::B;\npub struct A(B);"),
        ("src/b.rs", "\npub struct B;\nfn f() { super::a::A::new(); }"),
    ];
    assert_eq!(found(&texts), ["a circle: src/a.rs:1 → src/b.rs:3 → src/a.rs"]);
    assert_eq!(found(&texts[..2]), [] as [&str; 0]);
}

#[test]
fn a_circle_of_three_is_found_through_a_re_export() {
    let texts = [
        ("src/lib.rs", "pub mod a;\npub mod b;\npub mod front;"),
        ("src/front.rs", "mod c;\npub use self::c::*;\npub(crate) use c::C as Known;"),
        ("src/front/c.rs", "use crate::a::{self, A as First};\npub struct C(First);"),
        ("src/a.rs", "use crate::b::B;\npub struct A(B);"),
        ("src/b.rs", "use crate::front;\npub enum B { X(front::Known) }"),
    ];
    let circle = "a circle: src/a.rs:1 → src/b.rs:2 → src/front/c.rs:1 → src/a.rs";
    assert_eq!(found(&texts), [circle]);
    let by_glob = texts.map(|(path, text)| {
        (path, if path == "src/b.rs" { "use super::front::C;\npub struct B;" } else { text })
    });
    assert_eq!(found(&by_glob), [circle.replace("b.rs:2", "b.rs:1")]);
}

#[test]
fn a_parent_and_a_child_that_need_each_other_are_a_circle() {
    let child = ("src/a/child.rs", "use super::Shared;\npub fn work(_: Shared) {}");
    let calls = ("src/a.rs", "mod child;\npub struct Shared;\nfn f() { child::work(Shared) }");
    assert_eq!(found(&[calls, child, ("src/lib.rs", "mod a;")]).len(), 1);
    let passes_on_and_uses =
        ("src/a.rs", "mod child;\npub use child::work;\npub struct Shared;\nfn f() { work(Shared) }");
    assert_eq!(found(&[passes_on_and_uses, child, ("src/lib.rs", "mod a;")]).len(), 1);
}

#[test]
fn a_module_within_a_file_is_that_file() {
    let file = "fn f() { inner::g(); }\nconst X: u8 = 1;\nmod inner { use super::X; pub fn g() { super::super::a::h(X) } }";
    let texts = [("src/lib.rs", "mod a;"), ("src/a.rs", "mod b;\npub fn h(_: u8) {}"), ("src/a/b.rs", file)];
    assert_eq!(found(&texts), [] as [&str; 0]);
}

#[test]
fn what_declares_and_passes_on_needs_nothing() {
    let texts = [
        ("src/lib.rs", "pub mod a;"),
        (
            "src/a.rs",
            "mod child;\nmod other;\npub use child::{work, Worker};\npub struct Shared { work: u8 }\nfn f(s: Shared) { s.work() }",
        ),
        (
            "src/a/child.rs",
            "use super::{Shared, other};\npub fn work(_: Shared) { other::go(); }\npub struct Worker;",
        ),
        (
            "src/a/other.rs",
            "pub fn go() {}\n#[cfg(test)]\nmod tests {\n    use super::super::child::work;\n}",
        ),
    ];
    assert_eq!(found(&texts), [] as [&str; 0]);
}
