//! What a file defines.

use std::collections::BTreeSet;

use super::lex::Token;
use super::source::{is_name, text};

/// Something that a file defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub name: String,
    pub line: usize,
    /// A struct, an enum, a trait, a union or an alias.
    pub is_type: bool,
    /// Whether others than its own file may see it.
    pub is_public: bool,
}

/// What begins a definition; a name follows.
const DEFINITIONS: [&str; 9] =
    ["struct", "enum", "trait", "union", "type", "fn", "const", "static", "macro_rules"];
const TYPES: [&str; 5] = ["struct", "enum", "trait", "union", "type"];

/// What is defined outside of blocks, but for those of inline modules and of macros, which make definitions.
pub fn defined(tokens: &[Token]) -> BTreeSet<Item> {
    let mut found = BTreeSet::new();
    // For each open brace whether what is in it is still the file's.
    let mut open: Vec<bool> = Vec::new();
    for at in 0..tokens.len() {
        let before = |back: usize| at.checked_sub(back).map_or("", |at| text(tokens, at));
        match text(tokens, at) {
            "{" => {
                let of_macro = before(1) == "!" || before(2) == "!" || (before(2) == "=" && before(1) == ">");
                open.push(before(2) == "mod" || of_macro);
            }
            "}" => drop(open.pop()),
            // `'static` is no definition.
            "static" if before(1) == "\"\"" => {}
            word if DEFINITIONS.contains(&word) && open.iter().all(|through| *through) => {
                let name = at + if word == "macro_rules" { 2 } else { 1 };
                if is_name(text(tokens, name)) && !DEFINITIONS.contains(&text(tokens, name)) {
                    found.insert(Item {
                        name: text(tokens, name).to_owned(),
                        line: tokens[name].line,
                        is_type: TYPES.contains(&word),
                        is_public: before(1) == "pub" || before(1) == ")",
                    });
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn what_is_in_a_block_is_not_the_files() {
    let text = "
        pub struct A(&'static Z);
        pub(super) enum B { C }
        type D = u8;
        const fn f() { struct E; fn g() {} }
        impl A { const F: u8 = 1; fn h() {} }
        mod inner { pub struct G; }
        macro_rules! made { ($($a:ident)+) => { pub enum H {} }; }
    ";
    let found = defined(&super::lex::tokens(text));
    let names: Vec<_> = found.iter().map(|item| (item.name.as_str(), item.is_type, item.is_public)).collect();
    assert_eq!(
        names,
        [
            ("A", true, true),
            ("B", true, true),
            ("D", true, false),
            ("G", true, true),
            ("H", true, true),
            ("f", false, false),
            ("made", false, false),
        ]
    );
}
