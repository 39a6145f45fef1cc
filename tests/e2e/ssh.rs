//! An engine behind SSH: a real server, and the system's own client.

use super::scene::Scene;
use crate::support::engine::Engine;
use crate::support::sshd::Sshd;

#[tokio::test]
async fn an_engine_behind_ssh_is_watched_and_acted_on_like_any_other() {
    let engine = Engine::shared().await;
    let mut server = Sshd::new();
    let endpoint = server.endpoint(engine.socket().expect("an engine with a socket here"));
    let path = server.path();
    let mut scene = Scene::through(engine, &endpoint).await.with(|portreeve| portreeve.env("PATH", &path));

    // Nothing listens; then a server that does not know the key. Both are said, in the words of `ssh`.
    server.identity("stranger");
    scene.portreeve.spawn();
    scene.portreeve.wait_line("Connection refused").await;
    server.start().await;
    scene.portreeve.wait_line("Permission denied (publickey").await;
    server.identity("user");
    scene.portreeve.wait_ready().await;

    let container = scene
        .lab
        .healed("far")
        .shell("rm -f /tmp/sick; exec /bin/idle")
        .switched_health(std::time::Duration::from_millis(200), 1)
        .start()
        .await;
    scene.registered(&[&container]).await;
    container.sicken().await;
    scene.billed(container.id(), &["started", "stopped", "started"]).await;
    container.remove().await;
    scene.billed(container.id(), &["started", "stopped", "started", "stopped", "removed"]).await;
    scene.registered(&[]).await;
    assert!(scene.portreeve.terminate().await.success());
}
