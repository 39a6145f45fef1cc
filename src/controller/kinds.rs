//! The kinds of what is reconciled, one line each.

/// Each line: the key, the field that holds its reconciler, the shard in which its work is done and committed, and what decides
/// about it. See "How to add a reconciler" in the module above.
macro_rules! kinds {
    ($define:ident) => {
        $define! {
            /// A container.
            Container(ContainerKey), container, |key| Shard::Engine(key.engine.clone()), super::container::Reconciler;
            /// A MonitoredService, by its name.
            Service(Arc<str>), service, |_| Shard::Fleet, super::services::Reconciler;
            /// A light that tests switch on and off.
            #[cfg(test)]
            Lamp(Arc<str>), lamp, |_| Shard::Fleet, super::tests::lamp::Reconciler;
        }
    };
}
