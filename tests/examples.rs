//! Every YAML file that is shipped is good: to the reader, and to an independent reading of the schemas.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use portreeve::desired::{Desired, Sources};
use portreeve::manifest::{LoadedSet, directory::Directories, parse};
use serde::de::Deserialize;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of YAML files below `examples` and `manifests`.
fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut open = vec![root().join("examples"), root().join("manifests")];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        if paths.iter().any(|path| is_manifest(path)) {
            folders.push(folder);
        }
        open.extend(paths.into_iter().filter(|path| path.is_dir()));
    }
    folders
}

/// YAML that is for Portreeve; other programs have theirs.
fn is_manifest(path: &Path) -> bool {
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && std::fs::read_to_string(path).is_ok_and(|text| text.contains("apiVersion: portreeve/"))
}

fn set(folder: &Path) -> LoadedSet {
    LoadedSet::clone(&Directories::new(vec![folder.to_path_buf()]).load())
}

#[test]
fn every_folder_is_read_without_a_problem_or_a_warning() {
    let folders = folders();
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let set = set(&folder);
        assert!(!set.objects.is_empty(), "{}", folder.display());
        let desired = Desired::of(Sources { directory: Some(&set), ..Sources::default() });
        // Some examples show kinds on which nothing acts yet, and are told so.
        let inert: Vec<String> =
            set.objects.iter().filter_map(|loaded| portreeve::desired::inert(&loaded.object)).collect();
        let odd = desired.warnings.iter().filter(|warning| !inert.contains(&warning.message));
        let found: Vec<_> = desired.problems.iter().chain(odd).collect();
        let texts: Vec<&str> = found.iter().map(|problem| problem.rendered.as_str()).collect();
        assert!(texts.is_empty(), "{}", texts.join("\n\n"));
    }
}

/// Every document of every shipped file, with where it stands.
fn documents() -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    for folder in folders() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if !is_manifest(&path) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            for document in serde_yaml::Deserializer::from_str(&text) {
                documents.push((path.display().to_string(), Value::deserialize(document).expect("YAML")));
            }
        }
    }
    documents
}

/// The files in `schemas`, as an independent validator understands them.
struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    fn read() -> Self {
        let entries = std::fs::read_dir(root().join("schemas")).expect("a folder");
        let schema = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).expect("text");
            let schema = serde_json::from_str(&text).expect("JSON");
            jsonschema::draft202012::meta::validate(&schema)
                .unwrap_or_else(|error| panic!("{path:?}: {error}"));
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, jsonschema::draft202012::new(&schema).expect("a schema"))
        };
        // Those of what commands print lie below, and are of no documents.
        let files = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
        Self(files.map(schema).collect())
    }

    /// Why a document is not taken; the file of its kind and the one of all kinds must agree.
    fn faults(&self, document: &Value) -> Vec<String> {
        let kind = document["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
        let any = &self.0["manifest"];
        let own = self.0.get(&kind).unwrap_or(any);
        assert_eq!(own.is_valid(document), any.is_valid(document), "{document:#}");
        own.iter_errors(document).map(|error| error.to_string()).collect()
    }
}

/// The document with one thing wrong, everywhere: a field more, a field less, a value of every other type.
fn wrong(document: &Value) -> Vec<(String, Value)> {
    let mut places = vec![String::new()];
    let mut next = 0;
    while let Some(place) = places.get(next).cloned() {
        next += 1;
        let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
        match document.pointer(&place) {
            Some(Value::Object(fields)) => {
                places.extend(fields.keys().map(|key| format!("{place}/{}", escaped(key))));
            }
            Some(Value::Array(items)) => places.extend((0..items.len()).map(|n| format!("{place}/{n}"))),
            _ => {}
        }
    }
    let mut wrong = Vec::new();
    for place in places {
        let mut change = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut changed = document.clone();
            change(changed.pointer_mut(&place).expect("a place"));
            wrong.push((format!("{place}: {what}"), changed));
        };
        for other in [json!(true), json!(-7.5), json!("\u{a7}"), json!([[]]), json!({"\u{a7}": 1})] {
            change(&other.to_string(), &|value| *value = other.clone());
        }
        if let Some(Value::Object(fields)) = document.pointer(&place) {
            change("one more", &|value| value["notAField"] = json!(1));
            for field in fields.keys() {
                change(&format!("without {field}"), &|value| {
                    drop(value.as_object_mut().expect("fields").remove(field))
                });
            }
        }
    }
    wrong
}

#[test]
fn every_document_is_taken_by_the_files_of_its_kind_and_of_all_kinds() {
    let (schemas, documents) = (Schemas::read(), documents());
    assert!(documents.len() >= 10, "{}", documents.len());
    for (path, document) in documents {
        let faults = schemas.faults(&document);
        assert!(faults.is_empty(), "{path}: {faults:?}");
    }
}

/// What the reader alone refuses of all that is tried here.
const BEYOND_SCHEMAS: [&str; 5] = [
    "there is no such time zone",
    "must not be greater than value",
    "is out of range",
    "must be a number",
    "must start with CMD",
];

/// What a schema refuses, reading refuses; and the other way round but for what no schema can say.
#[test]
fn a_document_with_anything_wrong_is_taken_by_neither_schema_nor_reader() {
    let schemas = Schemas::read();
    let mut refused = 0;
    for (path, document) in documents() {
        for (what, wrong) in wrong(&document) {
            let by_schema = schemas.faults(&wrong);
            let read = parse("wrong.json", wrong.to_string().as_bytes());
            // What nothing says is ours is passed over in a directory, and refused where its file is named.
            let foreign = read.foreign.into_iter().map(|foreign| foreign.problem);
            let problems: Vec<_> = read.problems.into_iter().chain(foreign).collect();
            let by_reader: Vec<&str> = problems.iter().map(|problem| problem.rendered.as_str()).collect();
            if by_schema.is_empty() {
                let beyond = |said: &&str| BEYOND_SCHEMAS.iter().any(|known| said.contains(known));
                assert!(
                    by_reader.iter().all(beyond),
                    "{path}{what}: only refused by the reader: {by_reader:?}"
                );
            } else {
                assert!(!by_reader.is_empty(), "{path}{what}: only refused by the schema: {by_schema:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn every_kind_with_a_teaching_folder_is_in_it() {
    let mut kinds: Vec<String> = folders()
        .iter()
        .flat_map(|folder| set(folder).objects)
        .map(|loaded| loaded.object.key().kind.to_string())
        .collect();
    kinds.sort();
    kinds.dedup();
    for kind in ["AlertRule", "MonitoredService", "NotificationSink", "Probe", "Silence", "Workload"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}");
    }
}

#[test]
fn the_compose_file_makes_its_image_from_what_is_in_this_repository() {
    let text = std::fs::read_to_string(root().join("manifests/compose/compose.yaml")).expect("a file");
    let lines = || text.lines().map(str::trim);
    // An image of another place would have to be there already.
    assert!(!lines().any(|line| line.starts_with("image:")), "{text}");
    let copied: Vec<&str> = lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--from")))
        .flat_map(|rest| rest.rsplit_once(' ').map_or(rest, |(from, _)| from).split(' '))
        .collect();
    for path in &copied {
        assert!(root().join(path).exists(), "{path}");
    }
    // What a volume is made like; see tests/e2e/volume.rs.
    let made = "RUN install --directory --mode=0700 /var/lib/portreeve";
    let last = text.rfind("FROM ").expect("an image");
    assert!(text[last..].contains(made) && text.contains("- state:/var/lib/portreeve"), "{text}");
    // Without the files of every target Cargo reads no manifest.
    for needed in ["Cargo.toml", "Cargo.lock", "src", "tests", "benches", "examples"] {
        assert!(copied.contains(&needed), "{needed}");
    }
}
