//! The formats of `get`.

use std::str::FromStr;

use super::json_path::Template;

/// How things are shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// For people.
    Table,
    /// The same with more columns.
    Wide,
    /// As the server returns it, in YAML.
    Yaml,
    /// As the server returns it, in JSON.
    Json,
    /// KIND/NAME, one on each line.
    Name,
    /// What a template picks.
    JsonPath(Template),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = ["table", "wide", "yaml", "json", "name", "jsonpath=TEMPLATE"];
        match text {
            "table" => Ok(Self::Table),
            "wide" => Ok(Self::Wide),
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            "name" => Ok(Self::Name),
            _ => match text.strip_prefix("jsonpath=") {
                Some(template) => template.parse().map(Self::JsonPath).map_err(|why| format!("{why}")),
                None => {
                    let near = crate::manifest::nearest(text, words);
                    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    Err(format!("possible formats: {}{near}", words.join(", ")))
                }
            },
        }
    }
}
