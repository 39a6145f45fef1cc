//! `dockerHealth`: what Docker's own health check says. The engine tells it unasked; nothing is sent.

use async_trait::async_trait;

use super::{Cost, Failure, Here, Protocol, Steps, Subject, There};
use crate::observed::Health;
use crate::reconcile::health::checks;
use crate::resource::probe::handler::DockerHealthProbe;

#[async_trait]
impl Protocol for DockerHealthProbe {
    fn port(&self) -> Option<u16> {
        None
    }

    fn cost(&self) -> Cost {
        Cost::Nothing
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        steps.begin("look");
        let container =
            subject.container.ok_or_else(|| Failure::new(Here::NothingToAsk, "there is no container"))?;
        match container.health {
            None => steps.end("the container has no health check; it runs"),
            Some(Health::Healthy) => steps.end("healthy"),
            Some(Health::Starting) => {
                return Err(Failure::new(There::DockerStarting, "Docker's health check has no result yet"));
            }
            Some(Health::Awaited) => {
                return Err(Failure::new(There::DockerAwaited, "waiting for Docker's next health check"));
            }
            Some(Health::Silent) => {
                return Err(Failure::new(Here::DockerSilent, checks::silence(container)));
            }
            Some(Health::Unhealthy) => {
                let failure = Failure::new(There::DockerUnhealthy, "Docker's health check says unhealthy");
                return Err(failure.saying(container.health_output.as_deref().unwrap_or_default()));
            }
        }
        Ok(())
    }
}
