//! A call as one readable line.

use std::fmt::{self, Display, Formatter};

use super::book::{Call, Which};
use super::contract::Operation;
use super::faults::Fault;

/// `Billing    started  3f2ab1c09d12  nginx:alpine on web-1 at 2025-08-19T07:17:22.193+00:00 → 201`
impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = match self.which {
            Which::Discovery => "Discovery",
            Which::Billing => "Billing",
        };
        write!(f, "{name:<9}  ")?;
        match &self.operation {
            None => write!(f, "{} {}", self.request.method, self.request.path)?,
            Some(Operation::Register(endpoint)) => {
                write!(f, "up       {}  {} on {}", short(&endpoint.id), endpoint.image_id, endpoint.host)?;
                if let Some(port) = endpoint.port {
                    write!(f, ":{port}")?;
                }
            }
            Some(Operation::Down { id }) => write!(f, "down     {}", short(id))?,
            Some(Operation::Unregister { id }) => write!(f, "gone     {}", short(id))?,
            Some(Operation::Bill { event, .. }) => {
                let (id, image, host) = (short(&event.container_id), &event.image, &event.host);
                write!(f, "{:<8} {id}  {image} on {host} at {}", event.event, event.timestamp)?;
            }
        }
        match (self.status, self.fault) {
            (Some(status), _) => write!(f, " → {status}")?,
            (None, Some(Fault::ResetAfter)) => write!(f, " → done, then reset")?,
            (None, Some(Fault::HangAfter)) => write!(f, " → done, but no answer")?,
            (None, _) => write!(f, " → reset")?,
        }
        match &self.violation {
            Some(violation) => write!(f, " REFUSED: {violation}"),
            None => Ok(()),
        }
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
