//! The row of the session: the statements of `RenewalLeases`, `SessionUpdates` and
//! `SessionLifecycle`, each one effect.

use super::{LIFETIME, Token};

/// The stored session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// The refresh token; none once the session has ended (store law 11).
    pub(crate) refresh_token: Option<Token>,
    /// When the access token expires, by the wall clock of its writer.
    pub(crate) expires_at: u8,
    /// Raised by each write but a heartbeat's.
    pub(crate) revision: u8,
    /// The lease.
    pub(crate) lease: Option<Lease>,
    /// Why the session is over.
    pub(crate) ended: Option<EndReason>,
    /// The newest token that waits to be revoked.
    pub(crate) outbox: Option<Token>,
}

/// The right of one process to renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    /// Never used twice.
    pub(crate) owner: u8,
    /// Raised while the owner works.
    pub(crate) heartbeat: u8,
}

/// Why the session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EndReason {
    /// The user wanted it.
    SignedOut,
    /// The provider has refused the refresh token.
    RenewalRefused,
}

impl Row {
    pub(crate) const fn signed_in() -> Self {
        Self {
            refresh_token: Some(0),
            expires_at: LIFETIME - 2,
            revision: 0,
            lease: None,
            ended: None,
            outbox: None,
        }
    }

    pub(crate) const fn is_live(&self) -> bool {
        self.ended.is_none()
    }

    /// `RenewalLeases::claim_lease`
    pub(crate) fn claim_lease(&mut self, seen: Option<Lease>, lease: Lease) -> bool {
        let is_claimed = self.is_live() && self.lease == seen;
        if is_claimed {
            self.lease = Some(lease);
        }
        is_claimed
    }

    /// `RenewalLeases::heartbeat`
    pub(crate) fn heartbeat(&mut self, lease: Lease) -> bool {
        let is_raised = self.is_live() && self.lease == Some(lease);
        if is_raised {
            self.lease = Some(Lease { heartbeat: lease.heartbeat + 1, ..lease });
        }
        is_raised
    }

    /// `RenewalLeases::release_lease`
    pub(crate) fn release_lease(&mut self, owner: u8) {
        self.lease = self.lease.filter(|lease| lease.owner != owner);
    }

    /// `SessionUpdates::write_tokens`
    pub(crate) fn write_tokens(&mut self, token: Token, expires_at: u8, owner: u8) {
        self.refresh_token = Some(token);
        self.expires_at = expires_at;
        self.revision += 1;
        self.release_lease(owner);
    }

    /// `SessionLifecycle::end`
    pub(crate) fn end(&mut self, reason: EndReason) {
        self.outbox = self.outbox.max(self.refresh_token.take());
        self.ended = Some(reason);
        self.revision += 1;
        self.lease = None;
    }
}
