//! Manifests named on the command line, as the documents that are sent to a server.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::UsageError;
use super::client::{Client, ClientError};
use super::text::plain;
use crate::manifest::directory::Directories;
use crate::manifest::{LARGEST_FILE, Loaded, LoadedSet, parse};
pub(super) use crate::resource::annotation::APPLIED_SET as SET;
use crate::resource::{API_VERSION, KindId, ObjectKey};

/// A set of manifests, to be applied or compared.
#[derive(Args, Clone, Debug)]
pub(super) struct SetArgs {
    /// Files and directories, taken together as one configuration; `-` is standard input. It is an error if they
    /// declare nothing
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true, num_args = 1..)]
    pub(super) paths: Vec<PathBuf>,

    /// Also objects that an earlier apply of the same paths created and that are no longer declared: `apply` deletes
    /// them, `diff` shows them; no other object is deleted
    #[arg(long)]
    pub(super) prune: bool,

    /// Name of the set of objects, written into the annotation `portreeve/applied-set`; left out: the absolute paths
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
}

impl SetArgs {
    /// The set's name; one that is pruned has one.
    pub(super) fn name(&self) -> Result<Option<String>, UsageError> {
        let name = set_name(self.set.as_deref(), &self.paths);
        if self.prune && name.is_none() {
            let why = "standard input has no name: give --set NAME with --prune";
            return Err(UsageError(why.to_owned()));
        }
        Ok(name)
    }
}

/// Everything that `paths` declare, and everything wrong with it.
pub(super) fn load(paths: &[PathBuf], input: &mut dyn Read) -> anyhow::Result<LoadedSet> {
    let (standard, paths): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| is_input(path));
    for path in &paths {
        // A path that is not there is a slip on the command line, and no fault of a manifest.
        if let Err(error) = std::fs::metadata(path) {
            return Err(UsageError(format!("{}: {error}", path.display())).into());
        }
    }
    let mut set = LoadedSet::clone(&Directories::new(paths).load());
    if !standard.is_empty() {
        add_input(input, &mut set)?;
    }
    Ok(set)
}

/// What is said of paths that declare nothing at all: most likely they are the wrong ones.
pub(super) fn nothing(paths: &[PathBuf]) -> String {
    let names = paths
        .iter()
        .map(|path| if is_input(path) { "standard input".into() } else { path.display().to_string() });
    format!("no objects passed: none is declared in {}", names.collect::<Vec<_>>().join(", "))
}

/// Whether `set` declares nothing at all, and nothing is wrong with it that would tell why.
pub(super) fn is_nothing(set: &LoadedSet) -> bool {
    set.objects.is_empty() && set.problems.is_empty()
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn add_input(input: &mut dyn Read, set: &mut LoadedSet) -> std::io::Result<()> {
    let mut content = Vec::new();
    // One byte more than is parsed, so that too much is noticed.
    let most = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX).saturating_add(1);
    input.take(most).read_to_end(&mut content)?;
    let mut parsed = parse("<stdin>", &content);
    parsed.insist();
    let mut known: BTreeMap<ObjectKey, String> = BTreeMap::new();
    for loaded in &set.objects {
        known.insert(loaded.object.key(), format!("{}:{}", loaded.place.file, loaded.place.line));
    }
    for loaded in parsed.objects {
        let key = loaded.object.key();
        match known.get(&key) {
            Some(place) => {
                set.problems.push(loaded.place.problem(&format!("{key} is already declared in {place}")))
            }
            None => {
                known.insert(key, format!("<stdin>:{}", loaded.place.line));
                set.objects.push(loaded);
            }
        }
    }
    set.problems.extend(parsed.problems);
    set.partial.extend(parsed.partial);
    Ok(())
}

/// The name under which what these paths declare is applied: the paths themselves, absolute and in order.
/// Standard input has none: it is another text each time.
fn set_name(given: Option<&str>, paths: &[PathBuf]) -> Option<String> {
    if let Some(name) = given {
        return Some(name.to_owned());
    }
    if paths.iter().any(|path| is_input(path)) {
        return None;
    }
    let absolute = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let mut names: Vec<_> = paths.iter().map(|path| absolute(path).display().to_string()).collect();
    names.sort();
    names.dedup();
    Some(names.join(":"))
}

/// The document that declares `loaded`, with the fields that were written down; `set` is the mark it gets.
pub(super) fn document(loaded: &Loaded, set: Option<&str>) -> Value {
    let object = &loaded.object;
    let mut spec = serde_json::to_value(&object.spec).unwrap_or_default();
    if let Some(fields) = spec.as_object_mut() {
        // What is left out is left to the server: its defaults, and for Settings what lies below.
        fields.retain(|name, _| object.given.contains(name));
    }
    let mut annotations = object.metadata.annotations.clone();
    if let Some(set) = set {
        annotations.insert(SET.to_owned(), set.to_owned());
    }
    let mut metadata = Map::from_iter([("name".to_owned(), json!(object.metadata.name))]);
    for (field, map) in [("labels", &object.metadata.labels), ("annotations", &annotations)] {
        if !map.is_empty() {
            metadata.insert(field.to_owned(), json!(map));
        }
    }
    json!({"apiVersion": API_VERSION, "kind": object.spec.kind().as_str(), "metadata": metadata, "spec": spec})
}

/// The object as it would be in force in place of `before`, as far as this program can tell: with its own defaults, and of Settings
/// with what is in force where nothing is said.
pub(super) fn in_force(loaded: &Loaded, before: &Value) -> Value {
    let mut spec = serde_json::to_value(&loaded.object.spec).unwrap_or_default();
    if loaded.object.spec.kind() == KindId::Settings
        && let (Some(fields), Some(below)) = (spec.as_object_mut(), before["spec"].as_object())
    {
        fields.retain(|name, _| loaded.object.given.contains(name));
        for (name, value) in below {
            fields.entry(name).or_insert_with(|| value.clone());
        }
    }
    let mut document = document(loaded, None);
    document["spec"] = spec;
    document["metadata"]["origin"] = before.pointer("/metadata/origin").cloned().unwrap_or_default();
    document
}

/// What the server has of `kinds`.
pub(super) async fn current(
    client: &Client,
    kinds: impl IntoIterator<Item = KindId>,
) -> Result<BTreeMap<ObjectKey, Value>, ClientError> {
    let mut current = BTreeMap::new();
    for kind in kinds {
        for item in client.items(kind.plural(), &[]).await? {
            if let Some(name) = item.pointer("/metadata/name").and_then(Value::as_str) {
                current.insert(ObjectKey { kind, name: name.to_owned() }, item);
            }
        }
    }
    Ok(current)
}

/// Who else than the API says what this object is, if so: it cannot be written then.
pub(super) fn owner(key: &ObjectKey, current: Option<&Value>) -> Option<String> {
    let origin = current?.pointer("/metadata/origin")?.as_str()?;
    match origin.split_once(':') {
        Some(("directory", file)) => Some(match file.split_once("/git/current/") {
            // The work tree of `--git-url`: what is changed there is overwritten.
            Some((_, file)) => {
                format!(
                    "{key} is declared in {} of the repository that the server pulls; change it there",
                    plain(file)
                )
            }
            None => format!("{key} is declared in {} of the server; change it there", plain(file)),
        }),
        None if origin == "environment" && !matches!(key.kind, KindId::Settings | KindId::AutohealPolicy) => {
            Some(format!(
                "{key} is made from the server's environment variables; change them, or declare it in a file there"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a file of this text declares.
    pub(in crate::cli) fn loaded(text: &str) -> Vec<Loaded> {
        let parsed = parse("a.yaml", text.as_bytes());
        assert_eq!(parsed.problems, []);
        parsed.objects
    }

    #[test]
    fn a_document_holds_what_was_written_down_and_its_mark() {
        let text =
            "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {resync: 5m}\n";
        let document = document(&loaded(text)[0], Some("shop"));
        let expected = json!({
            "apiVersion": "portreeve/v1", "kind": "Settings",
            "metadata": {"name": "portreeve", "annotations": {"portreeve/applied-set": "shop"}},
            "spec": {"resync": "5m"},
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn a_set_is_named_by_its_paths_in_any_order_and_standard_input_has_no_name() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let name = set_name(None, &paths(&["/tmp", "/"]));
        assert_eq!(name, set_name(None, &paths(&["/", "/tmp", "/tmp/"])));
        assert!(name.is_some_and(|name| name.starts_with("/:/")));
        assert_eq!(set_name(None, &paths(&["/tmp", "-"])), None);
        assert_eq!(set_name(Some("shop"), &paths(&["-"])).as_deref(), Some("shop"));
    }

    #[test]
    fn an_object_of_a_directory_is_not_written_by_others() {
        let key = ObjectKey { kind: KindId::AutohealPolicy, name: "a".to_owned() };
        let of = |origin: &str| json!({"metadata": {"origin": origin}});
        let said = owner(&key, Some(&of("directory:/etc/p/a.yaml"))).expect("an owner");
        assert!(said.contains("/etc/p/a.yaml of the server"), "{said}");
        // As the built-in one it is replaced.
        assert_eq!(owner(&key, Some(&of("environment"))), None);
        let bill = ObjectKey { kind: KindId::BillingService, name: "a".to_owned() };
        assert!(owner(&bill, Some(&of("environment"))).is_some());
        let settings = ObjectKey { kind: KindId::Settings, name: "portreeve".to_owned() };
        assert_eq!(owner(&settings, Some(&of("environment"))), None);
        assert_eq!((owner(&key, Some(&of("api"))), owner(&key, None)), (None, None));
    }

    #[test]
    fn one_object_in_a_file_and_on_standard_input_is_one_too_many() {
        let text = "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {}\n";
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, text).expect("a file");
        let set = load(&[path, "-".into()], &mut text.as_bytes()).expect("a set");
        assert_eq!(set.objects.len(), 1);
        assert!(set.problems[0].message.ends_with("a.yaml:3"), "{:?}", set.problems);
    }
}
