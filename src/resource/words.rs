//! Words for people.

use std::fmt;

/// `1 object`, `2 objects`.
pub fn count(number: impl fmt::Display, what: &str) -> String {
    let number = number.to_string();
    format!("{number} {what}{}", if number == "1" { "" } else { "s" })
}

/// `2 files that are not Portreeve's`.
pub fn not_ours(number: usize) -> String {
    let are = if number == 1 { "is" } else { "are" };
    format!("{} that {are} not Portreeve's", count(number, "file"))
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_is_not_several() {
        assert_eq!(
            [0, 1, 2].map(|number| count(number, "attempt")),
            ["0 attempts", "1 attempt", "2 attempts"]
        );
    }
}
