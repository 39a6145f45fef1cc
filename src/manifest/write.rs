//! Objects → YAML text.

use crate::resource::Object;

/// An object that cannot be written as YAML; no object that was read is one.
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as YAML: {0}")]
pub struct WriteError(#[from] serde_yaml::Error);

/// `objects` as the documents of one file.
///
/// # Errors
/// [`WriteError`], which does not happen for objects that were read.
pub fn write<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Result<String, WriteError> {
    let mut text = String::new();
    for object in objects {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&serde_yaml::to_string(object)?);
    }
    Ok(text)
}

/// Any document as YAML.
///
/// # Errors
/// [`WriteError`], which does not happen for what JSON can say.
pub fn yaml(document: &serde_json::Value) -> Result<String, WriteError> {
    Ok(serde_yaml::to_string(document)?)
}
