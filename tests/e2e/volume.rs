//! The state directory in a container: a volume is as private as the image's directory, and a directory of the machine
//! is refused where it is not.

use std::os::unix::fs::PermissionsExt;

use bollard::models::{ContainerStateStatusEnum as Status, Mount, MountType};

use crate::support::builder::Builder;
use crate::support::engine::Engine;
use crate::support::image;
use crate::support::lab::Lab;

const STATE: &str = "/var/lib/portreeve";

fn bound(source: &str, target: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(target != STATE),
        ..Mount::default()
    }
}

/// Uses the state directory, with the program and what it is linked to from this machine; `state` is what is mounted
/// there. Gives how it ended and what it said.
async fn tried(docker: &bollard::Docker, builder: Builder, state: Mount) -> (i64, String) {
    let libraries =
        ["/lib", "/lib64", "/usr/lib"].into_iter().filter(|path| std::path::Path::new(path).exists());
    let mut mounts: Vec<Mount> = libraries.map(|path| bound(path, path)).collect();
    mounts.push(bound(env!("CARGO_BIN_EXE_portreeve"), "/portreeve"));
    mounts.push(state);
    let script =
        format!("stat -c %a {STATE}; exec /portreeve token create --role view --state-dir {STATE} 2>&1");
    let container = builder.shell(&script).with(|_, host| host.mounts = Some(mounts)).start().await;
    container.wait_status(Status::EXITED).await;
    let options = bollard::query_parameters::LogsOptionsBuilder::default().stdout(true).stderr(true).build();
    let logs =
        futures_util::TryStreamExt::try_collect::<Vec<_>>(docker.logs(container.id(), Some(options))).await;
    let said: String = logs.unwrap().iter().map(ToString::to_string).collect();
    (container.inspect().await.state.unwrap().exit_code.unwrap(), said)
}

#[tokio::test]
async fn a_volume_of_an_image_that_has_the_directory_closed_is_private_and_any_other_is_refused() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let docker = engine.docker();
    let closed = image::ensure_with(
        &docker,
        "state",
        &[("var/", 0o755), ("var/lib/", 0o755), ("var/lib/portreeve/", 0o700)],
    )
    .await;
    let volume =
        || Mount { typ: Some(MountType::VOLUME), target: Some(STATE.to_owned()), ..Mount::default() };

    let (code, said) = tried(&docker, lab.container("closed").image(&closed), volume()).await;
    assert!(code == 0 && said.starts_with("700\n") && said.contains("portreeve_"), "{code}: {said}");
    let (code, said) = tried(&docker, lab.container("open"), volume()).await;
    let refused = "error: the state directory /var/lib/portreeve is open to other users (mode 0755) and contains \
        private data: make it private with `chmod 700 /var/lib/portreeve`";
    assert!(code == 2 && said.starts_with("755\n") && said.contains(refused), "{code}: {said}");

    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let source = directory.path().to_str().unwrap();
    let (code, said) = tried(&docker, lab.container("bound"), bound(source, STATE)).await;
    assert!(code == 2 && said.contains(refused), "{code}: {said}");
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let (code, said) = tried(&docker, lab.container("private"), bound(source, STATE)).await;
    assert_eq!(code, 0, "{said}");
}
