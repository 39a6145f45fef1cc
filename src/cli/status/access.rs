//! Who is let in, as the server says.

use serde_json::Value;

use crate::cli::face::Face;
use crate::cli::paragraph::paragraph;
use crate::cli::table::Tone;
use crate::cli::text::{plain, scalar};

pub(super) fn show(access: &Value, face: &mut Face<'_>) -> std::io::Result<()> {
    let list = |pointer: &str| {
        let items = access.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(plain).collect::<Vec<_>>()
    };
    // A server before this one says nothing of it.
    let Some(rules) = access.get("anonymous").map(|_| list("/anonymous")) else { return Ok(()) };
    let open = if rules.is_empty() { "nothing".to_owned() } else { rules.join(", ") };
    let socket = scalar(access, "/socket").map_or_else(|| "none".to_owned(), |path| plain(&path));
    let line = format!("access      without a token: {open}; socket: {socket}");
    paragraph(face.out, &line, Tone::Plain, (0, 12), face.width)?;
    for warning in list("/warnings") {
        paragraph(face.out, &format!("warning: {warning}"), Tone::Odd, (2, 2), face.width)?;
    }
    Ok(())
}
