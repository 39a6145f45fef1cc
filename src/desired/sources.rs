//! Where declared objects come from.

use crate::manifest::LoadedSet;
use crate::resource::Object;
use crate::resource::secret::policy::SecretPolicy;

/// Where declared objects come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// The configuration directories.
    pub directory: Option<&'a LoadedSet>,
    /// Objects written through the API.
    pub api: &'a [Object],
    /// Objects made from environment variables.
    pub environment: &'a [Object],
    /// The flag `--observe`: whatever `Settings` says, nothing is acted on.
    pub observe: bool,
    /// Which secrets everybody's objects may use; left out: that is not judged.
    pub secrets: Option<&'a SecretPolicy>,
}
