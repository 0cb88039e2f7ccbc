//! What is measured: each operation of a store that a service waits for.

use std::time::{Duration, Instant};

use session_core::Timestamp;
use session_core::clock::Clock as _;
use session_core::manager::Resolution;
use session_core::store::{SessionLifecycle as _, SessionUpdates as _, TokenWrite};

use crate::site::Site;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    /// Finds the session of a cookie that no cache has.
    Resolve,
    /// Signs in a user at the cap, which ends the oldest session.
    Admit,
    /// Lists the devices of a user.
    List,
    /// Signs a device out.
    End,
    /// Writes renewed tokens.
    Renew,
    /// Notes the last use.
    Touch,
    /// Deletes sessions that ended long ago; the time is that of one.
    Purge,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] =
        [Self::Resolve, Self::Admit, Self::List, Self::End, Self::Renew, Self::Touch, Self::Purge];

    /// Returns how many of them a round has.
    const fn count(self) -> u32 {
        match self {
            Self::Resolve | Self::List => 100,
            Self::Admit => 20,
            Self::End | Self::Renew | Self::Touch => 30,
            Self::Purge => 8,
        }
    }

    /// Returns the nanoseconds of one operation.
    pub(crate) async fn round(self, site: &mut Site) -> f64 {
        // Each use is later than the one before.
        site.clock.advance(Duration::from_secs(60));
        let started = Instant::now();
        if matches!(self, Self::Purge) {
            let limit = u64::from(self.count());
            let long_ago = Timestamp::from_millis(2);
            assert_eq!(site.store.purge_ended(long_ago, limit).await.unwrap(), limit);
        } else {
            for _ in 0..self.count() {
                self.run(site).await;
            }
        }
        started.elapsed().as_nanos() as f64 / f64::from(self.count())
    }

    async fn run(self, site: &mut Site) {
        let (now, at) = (site.clock.now(), site.choose(site.kept.len()));
        match self {
            Self::Resolve => {
                let found = site.manager.resolve(&site.kept[at].digest, None).await.unwrap();
                assert!(matches!(found, Resolution::Live(_)));
            }
            Self::Admit => {
                let at = site.choose(site.full.len());
                site.sign_in(&site.full[at]).await;
            }
            Self::List => {
                let listed = site.manager.list(&site.kept[at].session.user, None).await.unwrap();
                assert_eq!(listed.len(), 10);
            }
            Self::End => {
                let probe = site.spare.pop_front().unwrap();
                let (user, id) = (&probe.session.user, probe.session.id);
                assert!(site.manager.sign_out(user, id).await.unwrap());
            }
            Self::Renew => {
                let probe = &mut site.kept[at];
                let (id, tokens) = (probe.session.id, probe.tokens.clone());
                let write = TokenWrite::new(id, probe.revision, tokens, now);
                probe.revision = site.store.write_tokens(write).await.unwrap().unwrap();
            }
            Self::Touch => site.store.touch(site.kept[at].session.id, now).await.unwrap(),
            Self::Purge => unreachable!("deletes a whole round at once"),
        }
    }
}
