//! The table of kinds. A further kind is one file with its spec, one line here and one in `KindId`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::alert_rule::AlertRuleSpec;
use super::autoheal_policy::AutohealPolicySpec;
use super::billing_service::BillingServiceSpec;
use super::check::Check;
use super::discovery_registry::DiscoveryRegistrySpec;
use super::docker_host::DockerHostSpec;
use super::kind::Kind;
use super::kind_id::KindId;
use super::monitored_service::MonitoredServiceSpec;
use super::notification_sink::NotificationSinkSpec;
use super::probe::ProbeSpec;
use super::settings::SettingsSpec;
use super::silence::SilenceSpec;
use super::workload::WorkloadSpec;

macro_rules! kinds {
    ($($name:ident($spec:ty)),+ $(,)?) => {
        /// The spec of an object, whatever its kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Spec {
            $(#[doc = concat!("The spec of a `", stringify!($name), "`.")] $name(Box<$spec>),)+
        }

        impl KindId {
            /// All kinds, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name written after `kind:`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => <$spec as Kind>::KIND,)+ }
            }

            /// The name of the collection, in lower case.
            pub const fn plural(self) -> &'static str {
                match self { $(Self::$name => <$spec as Kind>::PLURAL,)+ }
            }

            /// Short names for the command line.
            pub const fn short(self) -> &'static [&'static str] {
                match self { $(Self::$name => <$spec as Kind>::SHORT,)+ }
            }

            /// One sentence on what the kind is for.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$name => <$spec as Kind>::DOC,)+ }
            }

            /// The name of the only object of this kind, where there can be but one.
            pub const fn only(self) -> Option<&'static str> {
                match self { $(Self::$name => <$spec as Kind>::ONLY,)+ }
            }

            /// The schema of the kind's spec, its parts among the generator's definitions.
            pub(super) fn spec_schema(self, generator: &mut SchemaGenerator) -> Schema {
                match self { $(Self::$name => <$spec as JsonSchema>::json_schema(generator),)+ }
            }
        }

        impl Spec {
            /// Which kind this is the spec of.
            pub const fn kind(&self) -> KindId {
                match self { $(Self::$name(_) => KindId::$name,)+ }
            }

            /// Reads the spec of an object of `kind`.
            ///
            /// # Errors
            /// The deserializer's.
            pub fn deserialize<'de, D: Deserializer<'de>>(kind: KindId, from: D) -> Result<Self, D::Error> {
                match kind { $(KindId::$name => <Box<$spec>>::deserialize(from).map(Self::$name),)+ }
            }

            /// Says what is wrong with the spec beyond types, and which objects it names.
            pub fn validate(&self, check: &mut Check) {
                match self { $(Self::$name(spec) => Kind::validate(&**spec, check),)+ }
            }
        }

        impl Serialize for Spec {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$name(spec) => spec.serialize(serializer),)+ }
            }
        }

        $(impl From<$spec> for Spec {
            fn from(spec: $spec) -> Self {
                Self::$name(Box::new(spec))
            }
        })+
    };
}

kinds! {
    AlertRule(AlertRuleSpec),
    AutohealPolicy(AutohealPolicySpec),
    BillingService(BillingServiceSpec),
    DiscoveryRegistry(DiscoveryRegistrySpec),
    DockerHost(DockerHostSpec),
    MonitoredService(MonitoredServiceSpec),
    NotificationSink(NotificationSinkSpec),
    Probe(ProbeSpec),
    Settings(SettingsSpec),
    Silence(SilenceSpec),
    Workload(WorkloadSpec),
}

impl KindId {
    /// The kind written exactly so after `kind:`.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// The kind a person means on the command line: name, plural or short name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let is = |name: &str| name.eq_ignore_ascii_case(text);
        Self::ALL
            .iter()
            .copied()
            .find(|kind| is(kind.as_str()) || is(kind.plural()) || kind.short().iter().any(|name| is(name)))
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KindId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KindId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::of(&name).ok_or_else(|| serde::de::Error::custom("is not a kind"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_share_a_name_and_each_is_found_by_all_of_its_own() {
        let mut seen = BTreeSet::new();
        for kind in KindId::ALL {
            let names = [kind.as_str(), kind.plural()].into_iter().chain(kind.short().iter().copied());
            for name in names {
                assert_eq!(KindId::parse(name), Some(*kind), "{name}");
                assert_eq!(KindId::parse(&name.to_uppercase()), Some(*kind), "{name}");
                assert!(seen.insert(name.to_lowercase()) || name == kind.plural(), "{name} is taken");
            }
            assert!(kind.doc().ends_with('.'));
        }
        assert_eq!(KindId::parse("nothing"), None);
        assert!(KindId::ALL.is_sorted_by_key(|kind| kind.as_str()));
    }
}
