//! Portreeve in a container of the engine that it watches. The program and its libraries are this machine's: there is no
//! registry to pull an image from.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::Value;

use super::scene::Scene;
use crate::support::builder::Builder;
use crate::support::container::Container;
use crate::support::wait;

/// Where the program is found inside: `/usr` is this machine's, and read-only.
const PROGRAM: &str = "/portreeve";
/// A cold start on a busy machine.
const START: Duration = Duration::from_secs(60);

pub struct Inside {
    container: Container,
    docker: Docker,
    token: Option<String>,
}

impl Inside {
    /// Starts `portreeve` with these arguments; it must listen on port 8000 of its own loopback interface at least.
    pub async fn start(builder: Builder, docker: Docker, arguments: &[&str], token: Option<&str>) -> Self {
        let command: Vec<&str> = std::iter::once(PROGRAM).chain(arguments.iter().copied()).collect();
        let builder = builder.cmd(&command).with(|_, host| {
            let binds = host.binds.get_or_insert_default();
            binds.push(format!("{}:{PROGRAM}:ro", env!("CARGO_BIN_EXE_portreeve")));
            for libraries in ["/lib", "/lib64", "/usr"].into_iter().filter(|path| Path::new(path).exists()) {
                binds.push(format!("{libraries}:{libraries}:ro"));
            }
        });
        let inside = Self { container: builder.start().await, docker, token: token.map(str::to_owned) };
        wait::until("portreeve is ready inside", START, || async {
            inside.object("host", "local").await.and_then(|host| {
                let ready = host["status"]["conditions"].as_array().into_iter().flatten();
                let ready = ready.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
                if ready { Ok(()) } else { Err(format!("{host:#}")) }
            })
        })
        .await;
        inside
    }

    pub fn container(&self) -> &Container {
        &self.container
    }

    /// An object as `portreeve get` shows it; as text whatever it is that went wrong.
    async fn object(&self, kind: &str, name: &str) -> Result<Value, String> {
        let mut command = vec![PROGRAM, "get", kind, name, "-o", "json"];
        if let Some(token) = &self.token {
            command.extend(["--token", token]);
        }
        let (code, text) = self.container.exec(&command).await;
        match serde_json::from_str(&text) {
            Ok(object) if code == 0 => Ok(object),
            _ => Err(format!("{code} {text}; its log:\n{}", self.log().await)),
        }
    }

    /// Waits until the service's health is this word, and gives its status.
    pub async fn is(&self, service: &str, health: &str) -> Value {
        wait::until(&format!("{service} is {health}"), wait::SOON * 2, || async {
            let status = self.object("svc", service).await?["status"].clone();
            if status["health"] == health {
                Ok(status)
            } else {
                Err(format!("{status:#}\n{}", self.log().await))
            }
        })
        .await
    }

    /// All it printed.
    pub async fn log(&self) -> String {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
        let mut pieces = self.docker.logs(self.container.id(), Some(options));
        let mut log = String::new();
        while let Some(Ok(piece)) = pieces.next().await {
            log.push_str(&piece.to_string());
        }
        log
    }
}

/// Services of one container each, whose page is asked for on port 80.
pub fn services(scene: &Scene, services: &[(&str, &Container)]) -> String {
    let labels = scene.of_the_lab();
    let service = |(name, container): &(&str, &Container)| {
        format!(
            "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: {name}}}\nspec:\n  \
             selector: {{names: [\"{}\"], labels: {labels}}}\n  probes:\n    \
             - {{name: page, httpGet: {{path: /health, port: 80}}, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 2}}\n    \
             - {{name: port, tcpSocket: {{port: 80}}, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 2}}\n",
            container.name(),
        )
    };
    services.iter().map(service).collect::<Vec<_>>().join("---\n")
}
