//! The checkers, programs of others: openapi-spec-validator for the document, schemathesis for the routes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::scene::Scene;

/// Where `tests/openapi/up` put them.
pub struct Checkers(PathBuf);

/// What schemathesis says of a run.
pub struct Report(Value);

fn tests(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi").join(file)
}

impl Checkers {
    /// Installs them if they are not there yet.
    pub fn ready() -> Self {
        let up = Command::new("bash").arg(tests("up")).stdin(Stdio::null()).output().expect("bash");
        let said = String::from_utf8_lossy(&up.stdout);
        assert!(up.status.success(), "{said}{}", String::from_utf8_lossy(&up.stderr));
        Self(PathBuf::from(said.lines().last().expect("a directory")))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join("bin").join(program));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        command
    }

    /// Whether the document is valid; if not, why.
    pub fn validate(&self, document: &Value) -> Result<(), String> {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("openapi.json");
        std::fs::write(&file, document.to_string()).expect("a file");
        let output = self.command("openapi-spec-validator").arg(file).output().expect("the validator");
        let said = [output.stdout, output.stderr].concat();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
    }

    /// Tries every route of `document` on the scene's Portreeve, with input made from `seed`; nothing may be found.
    pub async fn passes(&self, scene: &Scene, document: &Value, options: &[&str], seed: u64) -> Report {
        let begun = std::time::Instant::now();
        let report =
            self.try_routes(scene, document, options, seed).await.unwrap_or_else(|said| panic!("{said}"));
        let (requests, routes) = (&report.0["test_cases"]["generated"], &report.0["operations"]["tested"]);
        println!(
            "{options:?}, seed {seed}: {requests} requests to {routes} routes in {:.0?}",
            begun.elapsed()
        );
        report
    }

    /// The same; what schemathesis says if it finds anything.
    pub async fn try_routes(
        &self,
        scene: &Scene,
        document: &Value,
        options: &[&str],
        seed: u64,
    ) -> Result<Report, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let (there, file) = (directory.path().join("there.json"), directory.path().join("openapi.json"));
        std::fs::write(&there, scene.there().await.to_string()).expect("a file");
        // Read from a file: of a URL it would leave out the route that it read the document from.
        std::fs::write(&file, document.to_string()).expect("a file");

        let mut command = self.command("schemathesis");
        command.arg("--config-file").arg(tests("schemathesis.toml")).arg("run");
        command.arg(file).arg("--url").arg(scene.portreeve.url("/"));
        command.args(options).arg(format!("--seed={seed}"));
        command.args(["--continue-on-failure", "--no-color", "--warnings=off", "--request-timeout=20"]);
        command.args(["--generation-database=none", "--report=json", "--report-json-path=report.json"]);
        command.args(scene.viewer.iter().map(|token| format!("--header=Authorization:Bearer {token}")));
        command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", tests(""));
        command.env("PORTREEVE_THERE", there).current_dir(directory.path());
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
        let output = output.expect("schemathesis");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        match output.status.code() {
            Some(0) => {}
            // Failures found; anything else is an error of its own.
            Some(1) => return Err(said),
            _ => panic!("{}: {said}", output.status),
        }
        let report = std::fs::read(directory.path().join("report.json")).expect("a report");
        Ok(Report(serde_json::from_slice(&report).expect("JSON")))
    }
}

impl Report {
    /// What became of the valid input to each operation that was tried, by `METHOD /path`.
    fn tried(&self) -> impl Iterator<Item = (&str, u64)> {
        let rates = self.0["valid_rates"].as_object().expect("rates").iter();
        rates.map(|(operation, phases)| {
            let phases = phases.as_object().expect("phases").values();
            (operation.as_str(), phases.map(|phase| phase["accepted"].as_u64().expect("a number")).sum())
        })
    }

    /// Every operation of `document` was tried, and none with an error of the checker's own.
    pub fn covers(&self, document: &Value) {
        let all: usize = operations(document).len();
        assert!(all > 80, "{all}");
        for word in ["total", "selected", "tested"] {
            assert_eq!(self.0["operations"][word], all, "{word}: {}", self.0["operations"]);
        }
        assert_eq!(self.0["complete"], true);
        assert_eq!(self.0["errors"], serde_json::json!([]));
    }

    /// Every operation of `document` did what it is for at least once; but `/readyz`, as an engine is away.
    pub fn hits_what_is_there(&self, document: &Value) {
        let hit: BTreeSet<&str> = self.tried().filter(|(_, hits)| *hits > 0).map(|(name, _)| name).collect();
        // The one object of its kind is always there: it is never made.
        let never = ["GET /readyz", "POST /apis/portreeve/v1/settings"];
        let all = operations(document).into_iter().filter(|operation| !never.contains(&operation.as_str()));
        let missed: Vec<_> = all.filter(|operation| !hit.contains(operation.as_str())).collect();
        assert!(missed.is_empty(), "never with success: {missed:#?}");
    }

    /// Only reading had success, and asking what a write would come to.
    pub fn only_read(&self, document: &Value) {
        let may_be_dry = |name: &str| {
            let (verb, path) = name.split_once(' ').expect("METHOD /path");
            let parameters = document["paths"][path][verb.to_lowercase()]["parameters"].as_array();
            parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "dryRun"))
        };
        let written: Vec<_> = self
            .tried()
            .filter(|(name, hits)| *hits > 0 && !name.starts_with("GET ") && !may_be_dry(name))
            .collect();
        assert!(written.is_empty(), "{written:?}");
    }
}

/// Every operation, as `METHOD /path`.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let verbs = |(path, item): (&String, &Value)| -> Vec<String> {
        let verbs = item.as_object().expect("operations").keys();
        verbs.map(|verb| format!("{} {path}", verb.to_uppercase())).collect()
    };
    paths.flat_map(verbs).collect()
}
