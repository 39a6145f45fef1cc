//! Making a container anew as it is: the same configuration, name, networks and volumes, from what an inspect shows.
//!
//! The old one is set aside under another name, the new one made beside it, and only then is the old one stopped and the new
//! one started; the old one is removed when the new one runs. Whatever fails is undone, and the old one runs again.

use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, NetworkConnectRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder,
};

use super::likeness::{Likeness, likeness};
use super::{CALL, Client, DockerError};
use crate::observed::set_aside;

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
        let seen = self.call(self.docker.inspect_container(id, None::<InspectContainerOptions>)).await?;
        let name = seen.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
        let image = self.image_of(&seen).await?;
        let up = seen.state.as_ref().and_then(|state| state.running).unwrap_or(false);
        let likeness = likeness(&seen, image, parent)?;
        self.rename(id, &set_aside(&name, id)).await?;
        match self.replace(id, &name, up.then_some(timeout), likeness).await {
            Ok(new) => {
                if let Err(error) = self.remove(id).await {
                    tracing::warn!(target: "portreeve::healing", container = %name, "its predecessor stays behind: {error}");
                }
                Ok(new)
            }
            Err(error) => {
                self.rename(id, &name).await?;
                if up {
                    self.start(id).await?;
                }
                Err(error)
            }
        }
    }

    /// Gives a container that was set aside its name back, and starts it. A successor that never ran is removed.
    pub async fn bring_back(&self, id: &str, name: &str) -> Result<(), DockerError> {
        match self.call(self.docker.inspect_container(name, None::<InspectContainerOptions>)).await {
            Ok(other) => {
                let never_ran = other.state.as_ref().and_then(|state| state.started_at.as_deref());
                if never_ran.and_then(super::convert::time).is_none() {
                    self.discard(other.id.as_deref().unwrap_or(name)).await?;
                }
            }
            Err(DockerError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error),
        }
        self.rename(id, name).await?;
        self.start(id).await
    }

    /// Makes, connects and starts the new one; `stop`: how long the old one, which is up, may take to stop.
    async fn replace(
        &self,
        old: &str,
        name: &str,
        stop: Option<Duration>,
        Likeness { body, networks }: Likeness,
    ) -> Result<String, DockerError> {
        let new = self.create(name, body).await?;
        let made = async {
            for (network, endpoint) in networks {
                self.connect_network(&network, &new, endpoint).await?;
            }
            if let Some(timeout) = stop {
                self.stop(old, timeout).await?;
            }
            self.start(&new).await
        };
        match made.await {
            Ok(()) => Ok(new),
            Err(error) => {
                self.discard(&new).await?;
                Err(error)
            }
        }
    }

    /// The image by the name that the container gives, as long as that means the same; else by its content.
    async fn image_of(&self, seen: &ContainerInspectResponse) -> Result<String, DockerError> {
        let named = seen.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
        let content = seen.image.clone().unwrap_or_default();
        match self.call(self.docker.inspect_image(&named)).await {
            Ok(found) if found.id.as_deref() == Some(&*content) => Ok(named),
            Ok(_) | Err(DockerError::Refused { status: 404, .. }) => Ok(content),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, DockerError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = self.call_within(CALL * 2, self.docker.create_container(Some(options), body)).await?;
        Ok(made.id)
    }

    async fn connect_network(
        &self,
        network: &str,
        id: &str,
        endpoint: EndpointSettings,
    ) -> Result<(), DockerError> {
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        self.call(self.docker.connect_network(network, request)).await
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), DockerError> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        self.call(self.docker.rename_container(id, options)).await
    }

    /// Removes a container that took its predecessor's volumes over: they stay.
    async fn discard(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        self.call(self.docker.remove_container(id, Some(options))).await
    }
}
