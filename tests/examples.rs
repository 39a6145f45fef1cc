//! Every YAML file that is shipped is good: to the reader, and to an independent reading of the schemas.

use std::path::{Path, PathBuf};

use portreeve::desired::{Desired, Sources};
use portreeve::manifest::{LoadedSet, directory::Directories};
use portreeve::resource::schema;
use serde::de::Deserialize;

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
        let found: Vec<_> = desired.problems.iter().chain(&desired.warnings).collect();
        let texts: Vec<&str> = found.iter().map(|problem| problem.rendered.as_str()).collect();
        assert!(texts.is_empty(), "{}", texts.join("\n\n"));
    }
}

#[test]
fn every_document_is_taken_by_the_schema_and_not_with_a_field_more() {
    let any = jsonschema::draft202012::new(&schema::any()).expect("a schema");
    let mut documents = 0;
    for folder in folders() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if !is_manifest(&path) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            for document in serde_yaml::Deserializer::from_str(&text) {
                let mut value = serde_json::Value::deserialize(document).expect("YAML");
                let errors: Vec<_> = any.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}: {errors:?}", path.display());
                value["spec"]["notAField"] = 1.into();
                assert!(!any.is_valid(&value), "{}", path.display());
                documents += 1;
            }
        }
    }
    assert!(documents >= 10, "{documents}");
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
