//! The connections that are open, bounded in all and for one source.
//!
//! Entering looks at every open connection only where a bound is reached: at most [`Connections`]' bound of them, a few
//! microseconds, and never while there is room.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use crate::api::caller::Peer;

/// Who a connection counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// An IPv4 address, or the /64 of an IPv6 one: whoever has one of its addresses has them all.
    Address(IpAddr),
    /// A user of the socket.
    User(u32),
}

impl Source {
    pub(super) fn of(peer: Peer) -> Self {
        match peer {
            Peer::Unix { uid } => Self::User(uid),
            Peer::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V6(address) if !address.is_loopback() => {
                    let network = u128::from(address) & !u128::from(u64::MAX);
                    Self::Address(Ipv6Addr::from(network).into())
                }
                address => Self::Address(address),
            },
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    most_of_one: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
    by_source: HashMap<Source, usize>,
}

#[derive(Debug)]
struct Connection {
    source: Source,
    activity: Arc<Activity>,
    close: CancellationToken,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    activity: Arc<Activity>,
    close: CancellationToken,
    connections: Arc<Connections>,
}

impl Connections {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, open: Mutex::default() }
    }

    /// A place for a new connection; at a bound the longest-idle one loses its.
    pub(super) fn enter(self: &Arc<Self>, source: Source) -> Place {
        let (activity, close) = (Arc::new(Activity::new()), CancellationToken::new());
        let mut open = self.open();
        if open.by_source.get(&source).copied().unwrap_or_default() >= self.most_of_one {
            open.close_longest_idle(|connection| connection.source == source);
        } else if open.connections.len() >= self.most {
            open.close_longest_idle(|_| true);
        }
        let id = open.next;
        open.next += 1;
        *open.by_source.entry(source).or_default() += 1;
        let connection = Connection { source, activity: activity.clone(), close: close.clone() };
        open.connections.insert(id, connection);
        drop(open);
        Place { id, activity, close, connections: self.clone() }
    }

    /// Makes room for one.
    pub(super) fn close_longest_idle(&self) {
        self.open().close_longest_idle(|_| true);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Of those that `may` be closed: one without a request in hand before one with, and the longest silent first.
    fn close_longest_idle(&mut self, may: impl Fn(&Connection) -> bool) {
        let candidates = self.connections.iter().filter(|(_, connection)| may(connection));
        let first = candidates
            .min_by_key(|(_, connection)| (connection.activity.is_in_hand(), connection.activity.last()));
        if let Some((&id, _)) = first {
            self.remove(id);
        }
    }

    /// Takes a connection out, if it is still there, and has it closed.
    fn remove(&mut self, id: u64) {
        let Some(Connection { source, close, .. }) = self.connections.remove(&id) else { return };
        close.cancel();
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

impl Place {
    pub(super) const fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ends when the connection has to.
    pub(super) async fn closed(&self) {
        self.close.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn source(address: &str) -> Source {
        Source::of(Peer::Tcp(address.parse().expect(address)))
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_the_address() {
        assert_eq!(source("[2001:db8::1]:1"), source("[2001:db8::ffff:2]:9"));
        assert_ne!(source("[2001:db8::1]:1"), source("[2001:db8:0:1::1]:1"));
        assert_eq!(source("[::ffff:10.0.0.1]:1"), source("10.0.0.1:2"));
        assert_ne!(source("10.0.0.1:1"), source("10.0.0.2:1"));
        assert_ne!(source("[::1]:1"), source("[::2]:1"));
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_bound_the_longest_idle_connection_of_the_same_source_is_closed_and_one_in_use_last() {
        let connections = Arc::new(Connections::new(5, 2));
        let enter = async |address: &str| {
            let place = connections.enter(source(address));
            tokio::time::advance(Duration::from_secs(1)).await;
            place
        };
        let (first, second) = (enter("10.0.0.1:1").await, enter("10.0.0.1:2").await);
        let other = enter("10.0.0.2:1").await;
        let in_hand = first.activity().begin();
        let third = enter("10.0.0.1:3").await;
        assert!(second.close.is_cancelled() && !first.close.is_cancelled() && !other.close.is_cancelled());
        drop(in_hand);
        let fourth = enter("10.0.0.1:4").await;
        assert!(first.close.is_cancelled() && !third.close.is_cancelled());
        // In all there are five: 3, 4, the other and two more.
        let more = [enter("10.0.0.3:1").await, enter("10.0.0.4:1").await];
        let last = enter("10.0.0.5:1").await;
        assert!(other.close.is_cancelled() && !fourth.close.is_cancelled() && !last.close.is_cancelled());
        drop((first, second, third, fourth, other, more, last));
        let open = connections.open();
        assert!(open.connections.is_empty() && open.by_source.is_empty());
    }
}
