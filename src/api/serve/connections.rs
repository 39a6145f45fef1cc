//! The connections that are open, bounded in all and for one source.
//!
//! Entering looks at every open connection only where a bound is reached: at most [`Connections`]' bound of them, a few
//! microseconds, and never while there is room.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use crate::api::source::ClientSource;

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
    by_source: HashMap<ClientSource, usize>,
}

#[derive(Debug)]
struct Connection {
    source: ClientSource,
    activity: Arc<Activity>,
    close: CancellationToken,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPlace {
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
    pub(super) fn enter(self: &Arc<Self>, source: ClientSource) -> ConnectionPlace {
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
        ConnectionPlace { id, activity, close, connections: self.clone() }
    }

    /// Makes room for one, if there is any.
    pub(super) fn close_longest_idle(&self) -> bool {
        self.open().close_longest_idle(|_| true)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Of those that `may` be closed: first whoever showed no right to anything, whatever it has in hand; then whoever may
    /// read without a token, then the others, of each one without a request in hand before one with. Of equals the one
    /// that was silent longest.
    fn close_longest_idle(&mut self, may: impl Fn(&Connection) -> bool) -> bool {
        let candidates = self.connections.iter().filter(|(_, connection)| may(connection));
        let first = candidates.min_by_key(|(_, Connection { activity, .. })| {
            let standing = activity.standing();
            (standing, standing > 0 && activity.is_in_hand(), activity.last())
        });
        let Some((&id, _)) = first else { return false };
        self.remove(id);
        true
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

impl ConnectionPlace {
    pub(super) const fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ends when the connection has to.
    pub(super) async fn closed(&self) {
        self.close.cancelled().await;
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.connections.open().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::caller::{CallerStanding, Peer};

    fn source(address: &str) -> ClientSource {
        ClientSource::of(Peer::Tcp(address.parse().expect(address)))
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_bound_the_longest_idle_connection_of_the_same_source_is_closed_and_one_in_use_last() {
        let connections = Arc::new(Connections::new(5, 2));
        let enter = async |address: &str| {
            let place = connections.enter(source(address));
            place.activity().known(CallerStanding::Anonymous);
            tokio::time::advance(Duration::from_secs(1)).await;
            place
        };
        let (first, second) = (enter("10.0.0.1:1").await, enter("10.0.0.1:2").await);
        let other = enter("10.0.0.2:1").await;
        let in_hand = first.activity().begin(false);
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

    #[tokio::test(start_paused = true)]
    async fn whoever_showed_no_right_goes_first_whatever_is_in_hand_and_a_token_goes_last() {
        let connections = Arc::new(Connections::new(4, 4));
        let enter = async |address: &str, standing| {
            let place = connections.enter(source(address));
            place.activity().known(standing);
            tokio::time::advance(Duration::from_secs(1)).await;
            place
        };
        let token = enter("10.0.0.1:1", CallerStanding::Token).await;
        let reader = enter("10.0.0.2:1", CallerStanding::Anonymous).await;
        let watching = [token.activity().begin(false), reader.activity().begin(false)];
        let nobodies = [
            enter("10.0.0.3:1", CallerStanding::Nobody).await,
            enter("10.0.0.4:1", CallerStanding::Nobody).await,
        ];
        let stalled = nobodies.each_ref().map(|place| place.activity().begin(true));
        let closed = |places: &[&ConnectionPlace]| {
            places.iter().map(|place| place.close.is_cancelled()).collect::<Vec<_>>()
        };
        let nobody = enter("10.0.0.5:1", CallerStanding::Nobody).await;
        assert_eq!(closed(&[&nobodies[0], &nobodies[1]]), [true, false]);
        let second = enter("10.0.0.6:1", CallerStanding::Token).await;
        assert_eq!(closed(&[&nobodies[1], &nobody]), [true, false]);
        let third = enter("10.0.0.7:1", CallerStanding::Token).await;
        assert_eq!(closed(&[&nobody, &reader]), [true, false]);
        let fourth = enter("10.0.0.8:1", CallerStanding::Token).await;
        assert_eq!(closed(&[&reader, &token]), [true, false]);
        let _fifth = enter("10.0.0.9:1", CallerStanding::Token).await;
        // Of those with a token the one that has nothing in hand.
        assert_eq!(closed(&[&second, &third, &fourth, &token]), [true, false, false, false]);
        drop((watching, stalled));
    }
}
