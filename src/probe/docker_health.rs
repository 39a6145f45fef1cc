//! `dockerHealth`: what Docker's own health check says. The engine tells it unasked; nothing is sent.

use async_trait::async_trait;

use super::steps::shown;
use super::{Cost, Failure, Protocol, Steps, Subject};
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
            subject.container.ok_or_else(|| Failure::Fault("there is no container".to_owned()))?;
        match container.health {
            None => steps.end("the container has no health check; it runs"),
            Some(Health::Healthy) => steps.end("healthy"),
            Some(Health::Starting) => {
                return Err(Failure::NotYet("Docker's health check has not spoken yet".to_owned()));
            }
            Some(Health::Awaited) => {
                return Err(Failure::NotYet("Docker's next health check is waited for".to_owned()));
            }
            Some(Health::Silent) => return Err(Failure::Fault(checks::silence(container))),
            Some(Health::Unhealthy) => {
                let output = shown(container.health_output.as_deref().unwrap_or_default());
                let said = if output.is_empty() { String::new() } else { format!(": {output}") };
                return Err(Failure::Unhealthy(format!("Docker's health check says unhealthy{said}")));
            }
        }
        Ok(())
    }
}
