//! Directories and Git repositories as the source of truth. No engine is needed.

mod credentials;
mod driving;
mod pulling;
mod startup;
mod suspending;

use std::path::Path;

use portreeve::guard::Guard;
use portreeve::manifest::git::{Address, GitSource, Puller};
use portreeve::resource::Duration;

use crate::support::git::Repository;

fn registry(name: &str, url: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: DiscoveryRegistry\nmetadata: {{name: {name}}}\nspec: {{url: \"{url}\"}}\n"
    )
}

/// The branch `main` of the repository, all of it.
fn source(repository: &Repository) -> GitSource {
    let address = Address::parse(&repository.bare().display().to_string()).expect("an address");
    GitSource {
        address,
        reference: "main".to_owned(),
        path: "".into(),
        interval: Duration::from_millis(200),
        timeout: Duration::from_secs(120),
        credentials: None,
    }
}

fn puller(source: GitSource, home: &Path) -> Puller {
    Puller::new(source, home.to_owned(), Guard::default())
}
