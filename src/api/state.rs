//! What handlers read, and the way by which they write.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::watching::Places;
use crate::catalogue::Catalogue;
use crate::config::HttpLimits;
use crate::controller::{Requests, View};
use crate::manifest::directory::DirectoryState;
use crate::manifest::git::Pulled;

/// What handlers read, and the way by which they write.
#[derive(Clone, Debug)]
pub struct Api {
    pub(super) view: View,
    pub(super) requests: Requests,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) metrics: PrometheusHandle,
    pub(super) access: Arc<Access>,
    /// How the configuration directories stand, and the pulling of one of them.
    pub(super) directories: Option<watch::Receiver<Vec<DirectoryState>>>,
    pub(super) pulled: Option<watch::Receiver<Pulled>>,
    pub(super) limits: HttpLimits,
    /// Places for watches.
    pub(super) watches: Arc<Places>,
    /// Ends answers that would go on for ever.
    pub(super) stop: CancellationToken,
}

impl Api {
    /// An API over `view`, `requests` and `catalogue` for those whom `access` lets in.
    pub fn new(
        view: View,
        requests: Requests,
        catalogue: Arc<Catalogue>,
        metrics: PrometheusHandle,
        access: Access,
    ) -> Self {
        Self {
            view,
            requests,
            catalogue,
            metrics,
            access: Arc::new(access),
            directories: None,
            pulled: None,
            limits: HttpLimits::default(),
            watches: Arc::new(Places::new(HttpLimits::default())),
            stop: CancellationToken::new(),
        }
    }

    /// Lets clients take no more than this.
    #[must_use]
    pub fn limited(mut self, limits: HttpLimits) -> Self {
        (self.limits, self.watches) = (limits, Arc::new(Places::new(limits)));
        self
    }

    /// Shows how the configuration directories stand, and the pulling of the one that is pulled.
    #[must_use]
    pub fn showing(
        mut self,
        directories: watch::Receiver<Vec<DirectoryState>>,
        pulled: Option<watch::Receiver<Pulled>>,
    ) -> Self {
        (self.directories, self.pulled) = (Some(directories), pulled);
        self
    }

    /// Ends watches with `stop`.
    #[must_use]
    pub fn until(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }
}
