//! Making a container anew as it is: the same configuration, name, networks and volumes, from what an inspect shows.
//!
//! The new one is made beside the old one under a name that says whose place it is to take. Only when that worked is the old one
//! stopped and set aside under another name, and the new one given its name and started; the old one is removed when the new one
//! runs. Whatever fails is undone, and the old one runs again.

use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, NetworkConnectRequest,
    NetworkDisconnectRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder,
};
use serde_json::Value;

use super::client::CALL;
use super::error::naming;
use super::likeness::{Beside, Likeness, likeness};
use super::{Client, DockerError};
use crate::observed::{set_aside, successor};

/// The call that shows a container.
const INSPECT: &str = "GET /containers/{id}/json";

impl Client {
    /// Replaces a container by one that is made like it, and gives the new one's id. `parent` is whose network it is to
    /// share from now on, if not that of whom it does.
    ///
    /// # Errors
    /// As any call. An answer that is an error means that the old container is back, unless the engine failed to do that,
    /// too: then it is down under its other name, and [`Self::bring_back`] undoes the rest.
    pub async fn recreate(
        &self,
        id: &str,
        timeout: Duration,
        parent: Option<&str>,
    ) -> Result<String, DockerError> {
        let seen = self.document(id).await?;
        let name = seen["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        let up = seen["State"]["Running"] == true;
        let (image, entrypoint) = self.image_of(&seen).await?;
        let sources_gone = self.sources_gone(&seen).await?;
        let likeness = likeness(&seen, &Beside { image, entrypoint, parent, sources_gone })?;
        self.discard_successor(&name, id).await?;
        let new = self.make(&successor(&name, id), likeness).await?;
        match self.replace(id, &name, up.then_some(timeout), &new).await {
            Ok(()) => {
                if let Err(error) = self.remove(id).await {
                    tracing::warn!(target: "portreeve::healing", container = %name, "the container that it replaces \
                        could not be removed: {error}");
                }
                Ok(new)
            }
            Err(error) => {
                // Under the name that it was made with: its removal is nobody else's.
                self.rename_if_needed(&new, &successor(&name, id)).await?;
                self.discard(&new).await?;
                self.rename_if_needed(id, &name).await?;
                if up {
                    self.start(id).await?;
                }
                Err(error)
            }
        }
    }

    /// Gives a container that was set aside its name back, if it has another, and starts it. A successor that never ran is
    /// removed.
    pub async fn bring_back(&self, id: &str, name: &str) -> Result<(), DockerError> {
        self.discard_successor(name, id).await?;
        match self.inspected(name).await {
            // All was undone but its start.
            Ok(other) if other.id.as_deref() == Some(id) => {}
            Ok(other) => {
                let never_ran = other.state.as_ref().and_then(|state| state.started_at.as_deref());
                if never_ran.and_then(super::timestamp::time).is_none() {
                    let other = other.id.as_deref().unwrap_or(name);
                    self.rename(other, &successor(name, id)).await?;
                    self.discard(other).await?;
                }
            }
            Err(DockerError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error),
        }
        self.rename_if_needed(id, name).await?;
        self.start(id).await
    }

    /// Removes what an attempt to replace the container left half-made, if anything.
    pub async fn discard_successor(&self, name: &str, id: &str) -> Result<(), DockerError> {
        match self.discard(&successor(name, id)).await {
            Err(DockerError::Refused { status: 404, .. }) => Ok(()),
            other => other,
        }
    }

    /// Makes the new one and connects it.
    async fn make(
        &self,
        name: &str,
        Likeness { body, networks, leaves }: Likeness,
    ) -> Result<String, DockerError> {
        let new = self.create(name, &body).await?;
        let connected = async {
            for (network, endpoint) in networks {
                self.connect_network(&network, &new, endpoint).await?;
            }
            match leaves {
                Some(network) => self.leave_network(&network, &new).await,
                None => Ok(()),
            }
        };
        match connected.await {
            Ok(()) => Ok(new),
            Err(error) => {
                self.discard(&new).await?;
                Err(error)
            }
        }
    }

    /// Puts the new one in the place of the old one; `stop`: how long the old one, which is up, may take to stop.
    async fn replace(
        &self,
        old: &str,
        name: &str,
        stop: Option<Duration>,
        new: &str,
    ) -> Result<(), DockerError> {
        if let Some(timeout) = stop {
            self.stop(old, timeout).await?;
        }
        self.rename(old, &set_aside(name, old)).await?;
        self.rename(new, name).await?;
        self.start(new).await
    }

    /// The engine's own document of a container, with what the client library has no field for.
    async fn document(&self, id: &str) -> Result<Value, DockerError> {
        use futures_util::TryStreamExt;

        // The library gives the bytes of an answer for few calls only: it is asked for one of them, and another is made.
        let raw = self.docker.clone().with_request_modifier(|mut request| {
            let uri = request.uri().to_string();
            if let Some(Ok(inspect)) =
                uri.strip_suffix("/export").map(|start| format!("{start}/json").parse())
            {
                *request.uri_mut() = inspect;
            }
            request
        });
        let bytes = self.call(raw.export_container(id).try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        }));
        let bytes = bytes.await.map_err(naming(INSPECT))?;
        serde_json::from_slice(&bytes).map_err(|_| DockerError::Incomplete("JSON"))
    }

    /// The image by the name that the container gives, as long as that means the same; else by its content. And whether it has
    /// an entrypoint.
    async fn image_of(&self, seen: &Value) -> Result<(String, bool), DockerError> {
        let named = seen["Config"]["Image"].as_str().unwrap_or_default();
        let content = seen["Image"].as_str().unwrap_or_default();
        for image in [named, content] {
            let found = self.call(self.docker.inspect_image(image)).await;
            match found.map_err(naming("GET /images/{name}/json")) {
                Ok(found) if found.id.as_deref() == Some(content) => {
                    let entrypoint = found.config.and_then(|config| config.entrypoint);
                    return Ok((image.to_owned(), entrypoint.is_some_and(|words| !words.is_empty())));
                }
                Ok(_) | Err(DockerError::Refused { status: 404, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((content.to_owned(), false))
    }

    /// Whether a container is gone whose volumes the one `seen` has.
    async fn sources_gone(&self, seen: &Value) -> Result<bool, DockerError> {
        let sources = seen["HostConfig"]["VolumesFrom"].as_array();
        for source in sources.into_iter().flatten().filter_map(Value::as_str) {
            let source = source.split_once(':').map_or(source, |(source, _)| source);
            if !self.exists(source).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn exists(&self, container: &str) -> Result<bool, DockerError> {
        match self.inspected(container).await {
            Ok(_) => Ok(true),
            Err(DockerError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn inspected(&self, container: &str) -> Result<ContainerInspectResponse, DockerError> {
        let call = self.call(self.docker.inspect_container(container, None::<InspectContainerOptions>));
        call.await.map_err(naming(INSPECT))
    }

    async fn create(&self, name: &str, body: &Value) -> Result<String, DockerError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let bytes = serde_json::to_vec(body).map_err(|_| DockerError::Incomplete("JSON"))?;
        // The library's own body lacks fields that the engine has.
        let raw = self.docker.clone().with_request_modifier(move |mut request| {
            *request.body_mut() = bollard::body_full(bytes.clone().into());
            request
        });
        let made = raw.create_container(Some(options), ContainerCreateBody::default());
        let made = self.call_within(CALL * 2, made).await.map_err(naming("POST /containers/create"));
        Ok(made?.id)
    }

    async fn connect_network(
        &self,
        network: &str,
        id: &str,
        endpoint: EndpointSettings,
    ) -> Result<(), DockerError> {
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        let call = self.call(self.docker.connect_network(network, request));
        call.await.map_err(naming("POST /networks/{id}/connect"))
    }

    async fn leave_network(&self, network: &str, id: &str) -> Result<(), DockerError> {
        let request = NetworkDisconnectRequest { container: id.to_owned(), force: Some(false) };
        let call = self.call(self.docker.disconnect_network(network, request));
        call.await.map_err(naming("POST /networks/{id}/disconnect"))
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), DockerError> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        let call = self.call(self.docker.rename_container(id, options));
        call.await.map_err(naming("POST /containers/{id}/rename"))
    }

    /// The engine refuses to give a container the name that it has.
    async fn rename_if_needed(&self, id: &str, name: &str) -> Result<(), DockerError> {
        let seen = self.inspected(id).await?;
        if seen.name.is_some_and(|known| known.trim_start_matches('/') == name) {
            return Ok(());
        }
        self.rename(id, name).await
    }

    /// Removes a container that took its predecessor's volumes over: they stay.
    async fn discard(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        let call = self.call(self.docker.remove_container(id, Some(options)));
        call.await.map_err(naming("DELETE /containers/{id}"))
    }
}
