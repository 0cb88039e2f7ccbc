//! Signing a person in, and connecting a tool client.

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::inner::{Inner, SessionManager};
use crate::clock::Timestamp;
use crate::policy::AdmittedSession;
use crate::session::{
    DeviceLabel, Origin, ProviderIdentity, ProviderName, SecretDigest, Session, SessionId,
    SessionSecret, UserId,
};
use crate::store::{Admission, EndedSession, NewSession};
use crate::token::{TokenResponse, TokenSet};

/// A person who signs in, with the tokens that the provider gave.
#[derive(Debug, Clone)]
#[must_use]
pub struct SignIn {
    user: UserId,
    provider: ProviderName,
    tokens: TokenResponse,
    identity: ProviderIdentity,
    device: DeviceLabel,
    supersedes: Option<SecretDigest>,
}

impl SignIn {
    /// This user signs in with these tokens of this provider.
    pub fn new(user: &UserId, provider: &ProviderName, tokens: TokenResponse) -> Self {
        Self {
            user: user.clone(),
            provider: provider.clone(),
            tokens,
            identity: ProviderIdentity::default(),
            device: DeviceLabel::default(),
            supersedes: None,
        }
    }

    /// Who the provider says the person is. The subject is part of what a cap counts over.
    pub fn identity(mut self, identity: ProviderIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// What the person recognises the device by.
    pub fn device(mut self, device: DeviceLabel) -> Self {
        self.device = device;
        self
    }

    /// The cookie that the same browser sent with this sign-in: its session ends as superseded,
    /// before the cap is counted (S2).
    pub const fn supersedes(mut self, cookie: Option<SecretDigest>) -> Self {
        self.supersedes = cookie;
        self
    }
}

/// A person is signed in: the secret is for the browser's cookie, and nowhere else.
#[derive(Debug)]
pub struct SignedIn {
    /// The new session.
    pub session: Session,
    /// What the browser's cookie must hold; it can never be read again.
    pub secret: SessionSecret,
    /// When the session ends however much it is used: the cookie needs to live no longer.
    pub absolute_deadline: Option<Timestamp>,
    /// Who ended for it: superseded, timed out, evicted or replaced.
    pub ended: Vec<EndedSession>,
}

/// A tool client is connected; there is no cookie.
#[derive(Debug)]
pub struct Connected {
    /// The new session.
    pub session: Session,
    /// Who ended for it.
    pub ended: Vec<EndedSession>,
}

impl SessionManager {
    /// Signs a person in: one more session, under the policy, with a new secret (S2). It ends no
    /// other session but those that the policy names, and the one that the same browser held.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] of the kind `LimitReached` if the policy refuses it; or the store is away.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, ManagerError> {
        let secret = SessionSecret::generate()?;
        let new = self.inner.new_session(sign_in, Some(secret.digest()), Origin::Login)?;
        let session = new.session.clone();
        let ended = self.inner.admit(new).await?;
        let timeouts = self.inner.policy.timeouts(&session.provider);
        let absolute_deadline = timeouts.absolute_deadline(session.timeouts_from);
        Ok(SignedIn { session, secret, absolute_deadline, ended })
    }

    /// Connects a tool client of a user: a session without a cookie, which ends nothing but what
    /// its own policy says. [`find`](Self::find) finds it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`], as at [`sign_in`](Self::sign_in).
    pub async fn connect(
        &self,
        user: &UserId,
        provider: &ProviderName,
        tokens: TokenResponse,
    ) -> Result<Connected, ManagerError> {
        let sign_in = SignIn::new(user, provider, tokens);
        let new = self.inner.new_session(sign_in, None, Origin::Connection)?;
        let session = new.session.clone();
        let ended = self.inner.admit(new).await?;
        Ok(Connected { session, ended })
    }
}

impl Inner {
    fn new_session(
        &self,
        sign_in: SignIn,
        digest: Option<SecretDigest>,
        origin: Origin,
    ) -> Result<NewSession, ManagerError> {
        let SignIn { user, provider, tokens, identity, device, supersedes } = sign_in;
        let now = self.now();
        let id = SessionId::generate(now);
        let tokens = TokenSet::new(tokens, now, self.policy.renewal().assumed_lifetime);
        let tokens = tokens.seal(&self.keyring, id, &user, &provider)?;
        let session = Session {
            id,
            user,
            provider,
            identity: identity.storable(),
            device,
            origin,
            created_at: now,
            last_seen_at: now,
            timeouts_from: now,
            renewed_at: None,
            revision: 1,
            ended: None,
        };
        Ok(NewSession { session, digest, tokens, supersedes })
    }

    /// The occupants with their last uses that this process has not yet written: who was used a
    /// moment ago must not leave as the least recently used.
    fn as_known_here(&self, present: &[AdmittedSession]) -> Vec<AdmittedSession> {
        let last_seen = |occupant: &AdmittedSession| {
            let known = self.presences.last_seen_at(occupant.id);
            known.map_or(occupant.last_seen_at, |at| at.max(occupant.last_seen_at))
        };
        let known = |occupant| AdmittedSession { last_seen_at: last_seen(occupant), ..*occupant };
        present.iter().map(known).collect()
    }

    /// Puts a session in, in a task of its own: whoever hangs up after the commit must not leave
    /// the evicted ones alive in this process's caches.
    async fn admit(self: &Arc<Self>, new: NewSession) -> Result<Vec<EndedSession>, ManagerError> {
        let inner = Arc::clone(self);
        let work = async move {
            let (provider, now) = (new.session.provider.clone(), new.session.created_at);
            let decide = |present: &[AdmittedSession]| {
                let known = inner.as_known_here(present);
                inner.policy.admit(&provider, &known, now)
            };
            match inner.bounded(inner.store.admit(new, &decide)).await? {
                Admission::Admitted { ended } => {
                    inner.announce_ends(&ended);
                    Ok(ended)
                }
                Admission::Refused { live } => {
                    Err(ManagerError::new(ManagerErrorKind::LimitReached { live }))
                }
            }
        };
        let shutting_down = || Err(ManagerError::new(ManagerErrorKind::ShuttingDown));
        self.tasks.detach(work).await.unwrap_or_else(shutting_down)
    }
}
