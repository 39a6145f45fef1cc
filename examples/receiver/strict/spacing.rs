//! JSON's other customary spacing.

/// Compact JSON with a space behind each comma and colon outside of strings, as several languages write it and
/// the contracts print it.
pub fn spaced(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() + 16);
    let (mut string, mut escaped) = (false, false);
    for c in compact.chars() {
        out.push(c);
        if string {
            string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            string = true;
        } else if c == ',' || c == ':' {
            out.push(' ');
        }
    }
    out
}
