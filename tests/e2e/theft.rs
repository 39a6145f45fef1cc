//! What another user of this machine comes by: nothing that is not meant for everybody.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hyper::Method;

use super::scene::Scene;
use crate::support::wait;

/// The user `nobody`, who is in no group of anybody's.
const NOBODY: &str = "65534";
const SECRET: &str = "hunter2-5e5e";

/// Runs a program as nobody; what it prints, both streams, and whether it succeeded.
fn as_nobody(program: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--", program])
        .args(args)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .output()
        .expect("setpriv");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A copy of the program that everybody may run.
fn program(place: &Path) -> String {
    let copy = place.join("portreeve");
    std::fs::copy(env!("CARGO_BIN_EXE_portreeve"), &copy).expect("a copy");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    copy.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_reads_what_everybody_may_and_changes_and_opens_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let public = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .expect("a directory");
    let portreeve = program(public.path());
    let mut scene = Scene::shared().await;
    // Everybody may enter: what keeps others out is the mode of what is in it.
    std::fs::set_permissions(scene.portreeve.home(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    scene.portreeve.start().await;
    let web = scene.lab.container("web").env("PASSWORD", SECRET).start().await;
    scene.billed(web.id(), &["started"]).await;
    let server = scene.portreeve.url("");
    let cli = |args: &[&str]| as_nobody(&portreeve, &[&["--server", &server], args].concat());

    let (fine, text) = cli(&["get", "containers"]);
    assert!(fine && text.contains(web.name()), "{text}");
    let (_, status) = cli(&["status"]);
    assert!(status.contains("without a token: view@loopback"), "{status}");
    let thief = public.path().join("thief.yaml");
    let billing = format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: thief}}\nspec:\n  url: {}\n  auth: {{basic: \
         {{username: x, password: {{file: /etc/shadow}}}}}}\n",
        scene.receiver.billing.url()
    );
    std::fs::write(&thief, billing).expect("a file");
    let thief = thief.display().to_string();
    for args in [
        &["apply", "-f", &thief][..],
        &["delete", "heal", "default"],
        &["release", web.name()],
        &["test", "probe", "-f", &thief],
    ] {
        let (fine, text) = cli(args);
        assert!(!fine, "{args:?}: {text}");
    }
    let (fine, text) = cli(&["apply", "-f", &thief]);
    assert!(!fine && text.contains("without a token the API is read-only"), "{text}");
    for path in [
        scene.portreeve.socket(),
        scene.portreeve.state_dir(),
        scene.portreeve.state_dir().join("portreeve.db"),
        scene.portreeve.state_dir().join("portreeve.lock"),
    ] {
        assert!(path.exists(), "{}", path.display());
        let path = path.display().to_string();
        let (fine, text) = as_nobody("cat", &[&path]);
        assert!(
            !fine && (text.contains("Permission denied") || text.contains("No such device")),
            "{path}: {text}"
        );
    }
    let socket = format!("unix://{}", scene.portreeve.socket().display());
    let (fine, text) = as_nobody(&portreeve, &["--server", &socket, "status"]);
    assert!(!fine && text.contains("ermission denied"), "{text}");
    // Nothing that anybody may read holds what is in a container's environment.
    for path in ["/api/containers", "/api/events", "/api/config", "/health/detailed", "/metrics"] {
        let answer = scene.portreeve.get(path).await.expect("an answer");
        assert!(answer.status == 200 && !answer.body.contains(SECRET), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_nowhere_on_the_word_of_a_stranger() {
    let mut scene = Scene::shared()
        .await
        .with(|portreeve| portreeve.env("OUR_TOKEN", SECRET).env("PORTREEVE_SECRET_B", "meant"));
    let shared = scene.portreeve.home().join("shared");
    std::fs::create_dir(&shared).expect("a directory");
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    scene = scene.with(|portreeve| portreeve.arg("--config-dir").arg(&shared.display().to_string()));
    let billing = |name: &str, variable: &str| {
        format!(
            "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: {name}}}\nspec:\n  url: {}\n  selector: \
             {{labels: {}}}\n  auth: {{bearer: {{env: {variable}}}}}\n",
            scene.receiver.billing.url(),
            scene.of_the_lab()
        )
    };
    std::fs::write(shared.join("thief.yaml"), billing("thief", "OUR_TOKEN")).expect("a file");
    std::fs::write(shared.join("good.yaml"), billing("good", "PORTREEVE_SECRET_B")).expect("a file");
    let probe = "apiVersion: portreeve/v1\nkind: Probe\nmetadata: {name: ours}\nspec: {redis: {auth: {password: {env: OUR_TOKEN}}}}\n";
    scene.portreeve.manifest("probe.yaml", probe);
    scene.portreeve.start().await;
    let line = scene.portreeve.wait_line("thief.yaml:").await;
    assert!(
        line.contains("spec.auth.bearer.env: only variables that begin with PORTREEVE_SECRET_"),
        "{line}"
    );
    // A service of the API's that would send it to a server of its own.
    let service = serde_json::json!({
        "apiVersion": "portreeve/v1", "kind": "MonitoredService", "metadata": {"name": "lure"},
        "spec": {"target": {"host": "127.0.0.1", "port": 6379}, "probes": [{"probeRef": "ours"}]},
    });
    let path = "/apis/portreeve/v1/monitoredservices/lure";
    let written = scene.portreeve.edit(Method::PUT, path, &service.to_string()).await.expect("an answer");
    assert!(
        written.status == 201
            && written.headers["warning"].to_str().is_ok_and(|text| text.contains("names a secret")),
        "{written:?}"
    );
    let web = scene.lab.container("web").start().await;
    wait::until("the good one is told", wait::SOON, || async {
        let told =
            scene.receiver.look(|state| state.calls.iter().any(|call| format!("{call:?}").contains("meant")));
        wait::is(told, scene.portreeve.log())
    })
    .await;
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    assert!(!scene.receiver.look(|state| format!("{:?}", state.calls).contains(SECRET)));
    let lure = scene.portreeve.get(path).await.expect("an answer").json();
    let resolved = lure["status"]["conditions"].as_array().expect("conditions").iter();
    let resolved: Vec<_> = resolved.filter(|condition| condition["type"] == "ReferencesResolved").collect();
    assert_eq!(resolved[0]["reason"], "SecretNotPermitted", "{lure}");
}

/// An engine shows as a container what it likes: one that strangers declared, or declared anew, is told no secret of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_no_container_of_an_engine_that_a_stranger_declared() {
    let mut scene = Scene::shared().await.with(|portreeve| portreeve.env("OUR_TOKEN", SECRET));
    let serve = "mkdir -p /www; echo fine >/www/index.html; exec httpd -f -h /www -p 80";
    let web = scene.lab.container("web").shell(serve).start().await;
    let service = |name: &str, header: &str| {
        format!(
            "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: {name}}}\nspec:\n  selector: {{names: \
             [\"{}\"]}}\n  probes:\n    - name: page\n      httpGet: {{httpHeaders: [{{name: X-Known, {header}}}]}}\n      \
             periodSeconds: 1\n",
            web.name()
        )
    };
    scene.portreeve.manifest("private.yaml", &service("private", "valueFrom: {env: OUR_TOKEN}"));
    scene.portreeve.manifest("open.yaml", &service("open", "value: known"));
    scene.portreeve.start().await;
    let health = async |name: &str, health: &str| {
        let path = format!("/apis/portreeve/v1/monitoredservices/{name}");
        wait::until(&format!("{name} is {health}"), wait::SOON, || async {
            let status = scene.json(&path).await.unwrap_or_default()["status"].clone();
            if status["health"] == health { Ok(status) } else { Err((status, scene.portreeve.log())) }
        })
        .await
    };
    health("private", "healthy").await;
    let host = serde_json::json!({
        "apiVersion": "portreeve/v1", "kind": "DockerHost", "metadata": {"name": "other"},
        "spec": {"endpoint": scene.engine.endpoint()},
    });
    let path = "/apis/portreeve/v1/dockerhosts/other";
    let written = scene.portreeve.edit(Method::PUT, path, &host.to_string()).await.expect("an answer");
    assert_eq!(written.status, 201, "{written:?}");
    let kept = health("private", "error").await;
    let reason = kept["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("it is not sent to a container of an engine that was declared through the API"),
        "{reason}"
    );
    health("open", "healthy").await;
    // Without it nobody is asked but Portreeve's own.
    let gone = scene.portreeve.edit(Method::DELETE, path, "").await.expect("an answer");
    assert_eq!(gone.status, 200, "{gone:?}");
    health("private", "healthy").await;
}
