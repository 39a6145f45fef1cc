//! Containers by the thousand.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::container::Container;

/// Services of a Compose project, each of which needs the one before.
pub const SERVICES: usize = 10;
/// Containers of each of them.
pub const REPLICAS: usize = 20;

/// The id of the nth; no two begin alike.
pub fn id(n: usize) -> String {
    let n = n as u64;
    format!("{:016x}{:048x}", (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), n)
}

/// The nth, which runs, of an image's labels.
pub fn plain(n: usize) -> Container {
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap();
    let started = now - 7_200_000_000_000;
    let (high, low) = (u8::try_from(n / 250 % 250).unwrap(), u8::try_from(n % 250 + 2).unwrap());
    let labels = BTreeMap::from(
        [("maintainer", "air@example.com"), ("org.opencontainers.image.version", "1.27.3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Container {
        name: format!("air-{n}"),
        created: started - 1_000_000_000,
        started,
        running: true,
        labels,
        address: Some(Ipv4Addr::new(10, 64, high, low)),
        ..Container::default()
    }
}

/// The project and the service of the nth.
pub fn place(n: usize) -> (usize, usize) {
    (n / (SERVICES * REPLICAS), n / REPLICAS % SERVICES)
}

/// The nth as Docker Compose has it.
pub fn composed(n: usize) -> Container {
    let (project, service) = place(n);
    let mut container = plain(n);
    container.name = format!("shop{project}-s{service}-{}", n % REPLICAS + 1);
    let needs = service.checked_sub(1).map(|before| format!("s{before}:service_started:false"));
    for (name, value) in [
        ("project", format!("shop{project}")),
        ("service", format!("s{service}")),
        ("container-number", (n % REPLICAS + 1).to_string()),
        ("depends_on", needs.unwrap_or_default()),
        ("oneoff", "False".to_owned()),
        ("version", "2.29.7".to_owned()),
        ("config-hash", format!("{n:064x}")),
        ("project.working_dir", format!("/srv/shop{project}")),
        ("project.config_files", format!("/srv/shop{project}/compose.yaml")),
    ] {
        container.labels.insert(format!("com.docker.compose.{name}"), value);
    }
    container
}
