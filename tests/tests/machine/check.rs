//! Compares the store with the model after each step.

use std::time::Duration;

use session_core::policy::Freshness;
use session_core::testing::sample;
use session_core::{EndReason, Session, SessionId, TokenSet};
use session_tests::manager::keyring;

use super::model::USERS;
use super::op::Mood;
use super::play::Play;

impl Play {
    pub(crate) async fn stored(&self, id: SessionId) -> TokenSet {
        let row = self.nodes[0].row(id).await;
        let Session { id, user, provider, .. } = &row.session;
        TokenSet::open(row.tokens.as_ref().unwrap(), &keyring(), *id, user, provider).unwrap()
    }

    pub(crate) async fn check(&mut self) {
        for session in 0..self.model.sessions.len() {
            if self.may_renew == Some(session) {
                self.check_renewal(session).await;
            }
            self.check_row(session).await;
        }
        let now = self.now();
        assert!(!self.model.is_over_cap(now));
        self.check_lists().await;
        assert_eq!(self.nodes[0].provider.reuses(), 0, "a spent refresh token was sent");
    }

    /// What a renewal that was due has done: all of it or nothing, as the provider's mood is.
    async fn check_renewal(&mut self, session: usize) {
        let row = self.nodes[0].row(self.model.sessions[session].id).await;
        if let Some(ended) = row.session.ended {
            assert_eq!((ended.reason, self.mood), (EndReason::RenewalRefused, Mood::Refusing));
            self.model.sessions[session].end(ended.reason, ended.at);
            return;
        }
        assert_eq!(row.lease, None, "the lease was not given back");
        let stored = self.stored(row.session.id).await;
        let now = self.now();
        let was_left_alone = self.is_left_alone();
        let known = &mut self.model.sessions[session];
        if stored.access_token() == known.access_token {
            if self.mood == Mood::Away && !was_left_alone {
                self.failed_at = Some(now);
            }
            assert!(self.mood == Mood::Away || was_left_alone, "it was due, and nothing happened");
            return;
        }
        assert_ne!(self.mood, Mood::Away);
        let number = |token: &str| token[3..].parse::<u64>().unwrap();
        assert!(number(stored.access_token()) > number(&known.access_token));
        let is_same = stored.refresh_token() == Some(known.refresh_token.as_str());
        assert_eq!(is_same, self.mood == Mood::Keeping);
        known.access_token = stored.access_token().to_owned();
        known.refresh_token = stored.refresh_token().unwrap().to_owned();
        known.received_at = now;
        assert_eq!(self.freshness(session), Freshness::Fresh);
    }

    async fn check_row(&self, session: usize) {
        let known = &self.model.sessions[session];
        let row = self.nodes[0].sessions().find(known.id).await.unwrap();
        assert_eq!(row.is_none(), known.is_purged);
        let Some(row) = row else { return };
        let ended = row.session.ended.map(|ended| (ended.at, ended.reason));
        assert_eq!(ended, known.ended, "{:?}", row.session);
        assert_eq!(row.digests.current, known.current);
        assert_eq!(row.tokens.is_some(), known.is_live());
        if known.is_live() {
            assert_eq!(row.session.last_seen_at, known.last_seen_at);
            let stored = self.stored(known.id).await;
            assert_eq!(stored.access_token(), known.access_token);
            assert_eq!(stored.refresh_token(), Some(known.refresh_token.as_str()));
            let token = &known.refresh_token;
            assert!(self.nodes[0].provider.accepts(token), "a live session's token was revoked");
        }
    }

    async fn check_lists(&self) {
        let now = self.now();
        for (user, name) in USERS.iter().enumerate() {
            let live = |s: &&super::model::Known| {
                s.user == user && s.is_live() && s.timed_out(now).is_none()
            };
            let expected = self.model.sessions.iter().rev().filter(live).map(|s| s.id);
            for node in &self.nodes {
                let listed = node.manager.list(&sample::user(name), None).await.unwrap();
                let listed = listed.iter().map(|listed| listed.session.id);
                assert_eq!(listed.collect::<Vec<_>>(), expected.clone().collect::<Vec<_>>());
            }
        }
    }

    /// Every ended session's last refresh token is revoked in the end, and no live one's (law 11).
    pub(crate) async fn check_revocations(&self) {
        self.nodes[0].clock.advance(Duration::from_secs(600));
        while self.nodes[0].manager.process_revocations(100).await.unwrap().revoked > 0 {}
        let mut revoked = self.nodes[0].provider.revoked();
        let over = self.model.sessions.iter().filter(|session| !session.is_live());
        let mut expected: Vec<_> = over.map(|session| session.refresh_token.clone()).collect();
        revoked.sort_unstable();
        expected.sort_unstable();
        assert_eq!(revoked, expected);
    }
}
