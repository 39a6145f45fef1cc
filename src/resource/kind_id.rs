//! The names of kinds. What each says about itself is in [`super::kinds`]' table.

/// Which kind an object is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindId {
    /// `AlertRule`
    AlertRule,
    /// `AutohealPolicy`
    AutohealPolicy,
    /// `BillingService`
    BillingService,
    /// `DiscoveryRegistry`
    DiscoveryRegistry,
    /// `DockerHost`
    DockerHost,
    /// `MonitoredService`
    MonitoredService,
    /// `NotificationSink`
    NotificationSink,
    /// `Probe`
    Probe,
    /// `Settings`
    Settings,
    /// `Silence`
    Silence,
    /// `Workload`
    Workload,
}
