//! The test image: a static busybox and a PID 1 that leaves at once when told to. Built from this machine's
//! busybox through the API, since there is no registry to pull from.

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::tar::Tar;

pub const NAME: &str = "portreeve-test";
pub const TAG: &str = "1";
/// The reference by which containers name it, and which events and bills carry.
pub const IMAGE: &str = "portreeve-test:1";
/// The command of a container that just runs.
pub const IDLE: &str = "/bin/idle";

const APPLETS: &[&str] = &[
    "cat", "date", "echo", "env", "false", "grep", "head", "hostname", "httpd", "id", "kill", "ln", "ls",
    "mkdir", "mv", "nc", "ps", "rm", "sed", "seq", "sh", "sleep", "stat", "sync", "tail", "test", "[",
    "touch", "tr", "true", "usleep", "wc", "wget", "yes",
];

/// Builds the image in the engine unless it is there.
pub async fn ensure(docker: &Docker) {
    build(docker, TAG, &[]).await;
}

/// Builds one that has these directories too, with their modes, unless it is there; gives its reference.
pub async fn ensure_with(docker: &Docker, tag: &str, directories: &[(&str, u32)]) -> String {
    build(docker, tag, directories).await;
    format!("{NAME}:{tag}")
}

async fn build(docker: &Docker, tag: &str, directories: &[(&str, u32)]) {
    if docker.inspect_image(&format!("{NAME}:{tag}")).await.is_ok() {
        return;
    }
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(NAME)
        .tag(tag)
        .changes(vec![
            format!("CMD [\"{IDLE}\"]"),
            "ENV PATH=/bin".to_owned(),
            "EXPOSE 8080/tcp".to_owned(),
            "LABEL portreeve.test.image=1".to_owned(),
        ])
        .build();
    let body = bollard::body_full(root_file_system(directories).into());
    docker
        .create_image(Some(options), Some(body), None)
        .try_collect::<Vec<_>>()
        .await
        .expect("building the test image");
}

/// A tar of what is in the image.
pub(super) fn root_file_system(directories: &[(&str, u32)]) -> Vec<u8> {
    let path = std::env::var("PORTREEVE_BUSYBOX").unwrap_or_else(|_| "/bin/busybox".to_owned());
    let busybox = std::fs::read(&path).unwrap_or_else(|e| {
        panic!("{path}: {e}; the test image needs a static busybox: run tests/engine/up")
    });
    let mut tar = Tar::default();
    for directory in ["bin/", "dev/", "etc/", "proc/", "sys/"] {
        tar.directory(directory, 0o755);
    }
    tar.directory("tmp/", 0o1777);
    for (directory, mode) in directories {
        tar.directory(directory, *mode);
    }
    tar.file("bin/busybox", 0o755, &busybox);
    for applet in APPLETS {
        tar.symlink(&format!("bin/{applet}"), "busybox");
    }
    tar.file("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n");
    // `sleep` in the background and `wait`: a shell runs its trap only between commands, so a `sleep` in the
    // foreground would make every stop last its whole grace. Long sleeps: a hundred of these must cost nothing.
    let idle = b"#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 3600 & wait $!; done\n";
    tar.file("bin/idle", 0o755, idle);
    tar.finish()
}
