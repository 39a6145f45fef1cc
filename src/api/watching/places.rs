//! Places for watches, bounded for those without a token, for those with one and for the socket, each apart from the others:
//! whoever brings nothing takes no place of whoever does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api::caller::{Claim, Peer};
use crate::api::source::ClientSource;
use crate::config::HttpLimits;

/// See the module's documentation.
#[derive(Debug)]
pub(in crate::api) struct Places {
    limits: HttpLimits,
    taken: Mutex<BTreeMap<Pool, usize>>,
}

/// What a watch counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pool {
    Socket,
    Tokens,
    Anonymous,
    /// Within [`Self::Anonymous`].
    Of(ClientSource),
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct WatchPlace {
    pools: Vec<Pool>,
    places: Arc<Places>,
}

impl Places {
    pub(in crate::api) fn new(limits: HttpLimits) -> Self {
        Self { limits, taken: Mutex::default() }
    }

    /// A place for a watch of whoever makes this claim; else why there is none.
    pub(in crate::api) fn take(self: &Arc<Self>, claim: &Claim) -> Result<WatchPlace, String> {
        let HttpLimits { watches, watches_per_address, .. } = self.limits;
        let pools = match claim {
            Claim::Token(_) => vec![Pool::Tokens],
            Claim::Peer(Some(Peer::Unix { .. })) => vec![Pool::Socket],
            Claim::Peer(Some(peer @ Peer::Tcp(_))) => {
                vec![Pool::Of(ClientSource::of(*peer)), Pool::Anonymous]
            }
            Claim::Peer(None) | Claim::Nobody(_) => vec![Pool::Anonymous],
        };
        let mut taken = self.taken();
        for pool in &pools {
            let (most, whose, flag) = match pool {
                Pool::Socket => (watches, "over the socket", "--max-watches"),
                Pool::Tokens => (watches, "by tokens", "--max-watches"),
                Pool::Anonymous => (watches, "without a token", "--max-watches"),
                Pool::Of(_) => {
                    (watches_per_address, "without a token from this address", "--max-watches-per-address")
                }
            };
            if taken.get(pool).is_some_and(|count| *count >= most) {
                return Err(format!("{most} watches {whose} are already open, which is the limit ({flag})"));
            }
        }
        for pool in &pools {
            *taken.entry(*pool).or_default() += 1;
        }
        drop(taken);
        Ok(WatchPlace { pools, places: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<Pool, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WatchPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        for pool in &self.pools {
            if let Some(count) = taken.get_mut(pool) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(pool);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Claim {
        Claim::Peer(Some(Peer::Tcp(address.parse().expect(address))))
    }

    #[test]
    fn whoever_brings_nothing_takes_places_of_nobody_else() {
        let limits = HttpLimits { watches: 3, watches_per_address: 2, ..HttpLimits::default() };
        let places = Arc::new(Places::new(limits));
        let take = |claim: &Claim| places.take(claim);
        let local =
            [take(&tcp("127.0.0.1:1")).expect("a place"), take(&tcp("127.9.9.9:1")).expect("a place")];
        let refused = take(&tcp("[::1]:1")).expect_err("one too many");
        assert!(refused.contains("2 watches") && refused.contains("--max-watches-per-address"), "{refused}");
        let _other = take(&tcp("10.0.0.1:1")).expect("a place");
        let refused = take(&tcp("10.0.0.2:1")).expect_err("one too many");
        assert!(refused.contains("3 watches") && refused.contains("--max-watches)"), "{refused}");
        for kept in [Claim::Token([0; 32]), Claim::Peer(Some(Peer::Unix { uid: 0 }))] {
            let all = [0; 3].map(|_| take(&kept).expect("a place"));
            assert!(take(&kept).is_err());
            drop(all);
        }
        drop(local);
        let _again = take(&tcp("127.0.0.1:1")).expect("a place");
        assert_eq!(places.taken().len(), 3);
    }
}
