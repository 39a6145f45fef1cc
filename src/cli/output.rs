//! What `-o json` prints, as JSON Schemas: the files of `schemas/output`. Objects have the schemas of their kinds.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{diff, get, status, test, top, validate, version};
use crate::api;

/// Where the files are, below `schemas`.
pub(super) const FOLDER: &str = "output";

/// Every document: name of its file and its schema.
fn schemas() -> [(&'static str, Value); 12] {
    [
        ("change", of::<get::WatchChange<'_>>("A line of `get -w -o json`.")),
        ("container", of::<api::ContainerItem>("`get container NAME -o json`, and an item of their list.")),
        ("delivery", of::<api::DeliveryItem>("`get delivery NAME -o json`, and an item of their list.")),
        ("diff", of::<diff::DiffDocument>("`diff -o json`.")),
        ("event", of::<api::EventItem>("A line of `events -o json`, and an item of `get events -o json`.")),
        ("list", of::<api::AnyList>("`get KIND -o json`; the items have their own schemas.")),
        ("status", of::<status::StatusDocument<'_>>("`status -o json`.")),
        ("test-probe", of::<Vec<test::TestDocument>>("`test probe -o json`.")),
        ("top-containers", of::<top::Containers>("`top -o json`.")),
        ("top-services", of::<top::Services>("`top monitoredservices -o json`.")),
        ("validate", of::<validate::ValidateDocument>("`validate -o json`.")),
        ("version", of::<version::VersionDocument>("`version -o json`.")),
    ]
}

/// What is printed always holds the fields that the schema requires; others may be added.
fn of<T: JsonSchema>(description: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("description".to_owned(), description.into());
    schema.to_value()
}

/// Every file: name and text.
pub(super) fn files() -> Vec<(String, String)> {
    let file = |(name, schema): (&str, Value)| (format!("{FOLDER}/{name}.json"), format!("{schema:#}\n"));
    schemas().into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_files_in_schemas_output_are_those_generated_now() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let mut names = BTreeSet::new();
        for (name, text) in files() {
            let found = std::fs::read_to_string(directory.join(&name)).unwrap_or_default();
            assert!(found == text, "schemas/{name} is out of date: run `portreeve schema --write schemas`");
            names.insert(name);
        }
        for entry in std::fs::read_dir(directory.join(FOLDER)).expect("a directory") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            assert!(names.contains(&format!("{FOLDER}/{name}")), "schemas/{FOLDER}/{name} is of nothing");
        }
    }

    #[test]
    fn every_schema_is_one_and_asks_for_something() {
        for (name, schema) in schemas() {
            let validator = jsonschema::draft202012::new(&schema).expect(name);
            assert!(!validator.is_valid(&serde_json::json!({})), "{name}");
            assert!(!validator.is_valid(&serde_json::json!([{}])), "{name}");
        }
    }
}
