//! Signing a user in, and connecting a tool client.

use std::sync::Arc;

use super::end::end_presented;
use super::error::{ManagerError, ManagerErrorKind};
use super::manager::{Inner, SessionManager};
use super::row;
use super::unclaimed::{NewGrant, Unclaimed};
use crate::clock::Timestamp;
use crate::metrics;
use crate::policy::AdmittedSession;
use crate::session::{
    Authentication, DeviceLabel, EndReason, Origin, ProviderIdentity, ProviderName, SecretDigest,
    Session, SessionData, SessionId, SessionSecret, UserId,
};
use crate::store::{Admission, EndedSession, NewSession, StoreError};
use crate::token::{TokenResponse, TokenSet};

/// A sign-in: the user, and the tokens that the provider issued.
#[derive(Debug, Clone)]
#[must_use]
pub struct SignIn {
    pub(super) user: UserId,
    pub(super) provider: ProviderName,
    pub(super) tokens: TokenResponse,
    pub(super) identity: ProviderIdentity,
    pub(super) authentication: Authentication,
    device: DeviceLabel,
    pub(super) data: Option<SessionData>,
    pub(super) supersedes: Vec<SecretDigest>,
}

impl SignIn {
    /// Creates a sign-in of this user with the tokens of this provider.
    pub fn new(user: &UserId, provider: &ProviderName, tokens: TokenResponse) -> Self {
        Self {
            user: user.clone(),
            provider: provider.clone(),
            tokens,
            identity: ProviderIdentity::default(),
            authentication: Authentication::default(),
            device: DeviceLabel::default(),
            data: None,
            supersedes: Vec::new(),
        }
    }

    /// Sets the user's identity at the provider. A cap counts over its subject.
    pub fn identity(mut self, identity: ProviderIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// Sets when and how the user authenticated at the provider.
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets the label by which the user recognises the device.
    pub fn device(mut self, device: DeviceLabel) -> Self {
        self.device = device;
        self
    }

    /// Sets what the application keeps with the session (default: nothing). At a step-up it takes the
    /// place of what was kept before.
    pub fn data(mut self, data: SessionData) -> Self {
        self.data = Some(data);
        self
    }

    /// Sets the digests of the session cookies that the browser sent with this sign-in. The sessions
    /// that they lead to end as superseded, before the cap is counted (S2).
    ///
    /// A browser has one cookie. Several live ones of a name that another host can set count as
    /// none until a sign-in has superseded them all.
    pub fn supersedes(mut self, cookies: impl IntoIterator<Item = SecretDigest>) -> Self {
        self.supersedes = cookies.into_iter().collect();
        self
    }
}

/// A completed sign-in. The secret belongs in the browser's cookie, and nowhere else.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The new session.
    pub session: Session,
    /// The value of the browser's cookie; it cannot be read again later.
    pub secret: SessionSecret,
    /// When the session ends however much it is used; the cookie need not live longer.
    pub absolute_deadline: Option<Timestamp>,
    /// Whether the provider issued a refresh token. Without one, a new access token needs a new
    /// sign-in.
    pub has_refresh_token: bool,
    /// The sessions that ended for it: superseded, timed out, evicted or replaced.
    pub ended: Vec<EndedSession>,
}

/// A connected tool client; there is no cookie.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The new session.
    pub session: Session,
    /// Whether the provider issued a refresh token. Without one, a new access token needs a new
    /// connection.
    pub has_refresh_token: bool,
    /// The sessions that ended for it.
    pub ended: Vec<EndedSession>,
}

/// # Signing in
impl SessionManager {
    /// Signs a user in: admits one more session under the policy, with a new secret (S2). Ends only
    /// the sessions that the policy names, and the one that the same browser held.
    ///
    /// If this fails, or is dropped before it completes, no session is left that nothing leads to:
    /// it ends as soon as the store says what became of it, and its refresh token is revoked by
    /// [`process_revocations`](Self::process_revocations).
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] of the kind `LimitReached` if the policy refuses the sign-in,
    /// `UnknownProvider` if there is a refresh token and the manager has providers, but none of this
    /// name: the token could never be used; or `Unavailable` if the store cannot be reached. The tokens cannot be used for another try:
    /// sign in at the provider again.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, ManagerError> {
        let secret = SessionSecret::generate()?;
        let further = sign_in.supersedes.get(1..).unwrap_or_default().to_vec();
        let has_refresh_token = sign_in.tokens.has_refresh_token();
        let new = new_session(&self.inner, sign_in, Some(secret.digest()), Origin::Login)?;
        let session = new.session.clone();
        let ended = admit(&self.inner, new, further).await?;
        let absolute_deadline = self.inner.policy.absolute_deadline(&session);
        Ok(SignedIn { session, secret, absolute_deadline, has_refresh_token, ended })
    }

    /// Connects a tool client of a user: admits a session without a cookie, which ends only the
    /// sessions that its own policy names. [`find_connection`](Self::find_connection) finds it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`sign_in`](Self::sign_in).
    pub async fn connect(
        &self,
        user: &UserId,
        provider: &ProviderName,
        tokens: TokenResponse,
    ) -> Result<Connected, ManagerError> {
        self.connect_with(SignIn::new(user, provider, tokens)).await
    }

    /// Connects a tool client like [`connect`](Self::connect), with what is known of the identity at
    /// the authorization server and of the device that connects it. What it supersedes is ignored.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`sign_in`](Self::sign_in).
    pub async fn connect_with(&self, sign_in: SignIn) -> Result<Connected, ManagerError> {
        let has_refresh_token = sign_in.tokens.has_refresh_token();
        let sign_in = sign_in.supersedes([]);
        let new = new_session(&self.inner, sign_in, None, Origin::Connection)?;
        let session = new.session.clone();
        let ended = admit(&self.inner, new, Vec::new()).await?;
        Ok(Connected { session, has_refresh_token, ended })
    }
}

pub(super) fn new_session(
    inner: &Inner,
    sign_in: SignIn,
    digest: Option<SecretDigest>,
    origin: Origin,
) -> Result<NewSession, ManagerError> {
    let SignIn { user, provider, tokens, identity, authentication, device, data, supersedes } =
        sign_in;
    let is_registered = inner.provider(&provider).is_some();
    // A manager without providers renews nothing, and a token that cannot be renewed needs none.
    if !is_registered && !inner.providers.is_empty() && tokens.has_refresh_token() {
        return Err(ManagerError::new(ManagerErrorKind::UnknownProvider));
    }
    let now = inner.now();
    let session = Session::new(SessionId::generate(now), user, provider, origin, now)
        .with_identity(identity.storable())
        .with_authentication(authentication.storable())
        .with_device(device);
    let tokens = TokenSet::new(tokens, now, inner.policy.renewal().assumed_lifetime)
        .with_data(data.unwrap_or_default());
    inner.notices.report(&session.provider, &tokens, is_registered);
    let tokens = row::seal_tokens(inner, &session, &tokens)?;
    let superseded = supersedes.first().copied();
    Ok(NewSession::new(session, tokens).with_digest(digest).superseding(superseded))
}

/// Admits a session, in a task of its own: a caller that disconnects after the commit must not
/// leave evicted sessions in this process's caches, nor a session that it has no secret of.
async fn admit(
    inner: &Arc<Inner>,
    new: NewSession,
    further: Vec<SecretDigest>,
) -> Result<Vec<EndedSession>, ManagerError> {
    let task = Arc::clone(inner);
    let work = async move {
        let (grant, origin) = (NewGrant::of(&new), new.session.origin);
        // The browser could use none of them: several live cookies of one name count as none.
        for digest in &further {
            let (reason, now) = (EndReason::Superseded, new.session.created_at);
            if let Err(error) = end_presented(&task, digest, None, reason, now).await {
                grant.discard(&task);
                return Err(error);
            }
        }
        match task.bounded(admit_under_policy(&task, new)).await {
            Ok(Admission::Admitted { ended }) => {
                metrics::admitted(origin);
                row::announce_ends(&task, &ended);
                Ok(Unclaimed::new(&task, grant, ended))
            }
            Ok(Admission::Refused { live }) => {
                metrics::refused();
                grant.discard(&task);
                Err(ManagerError::new(ManagerErrorKind::LimitReached { live }))
            }
            Err(error) => {
                // A refusal for good changed nothing; any other failure may have come too late.
                if error.is_transient() {
                    grant.withdraw(&task)
                } else {
                    grant.discard(&task)
                }
                Err(error.into())
            }
        }
    };
    Ok(inner.tasks.detach(work).await?.claim())
}

async fn admit_under_policy(inner: &Inner, new: NewSession) -> Result<Admission, StoreError> {
    let (provider, now) = (new.session.provider.clone(), new.session.created_at);
    let decide = |present: &[AdmittedSession]| {
        let present = with_local_use(inner, present);
        inner.policy.admit(&provider, &present, now)
    };
    inner.store.admit(new, &decide).await
}

/// Returns the sessions with the uses that this process has not written yet: a session that was
/// used a moment ago must not be evicted as the least recently used.
fn with_local_use(inner: &Inner, present: &[AdmittedSession]) -> Vec<AdmittedSession> {
    let with_use = |session: &AdmittedSession| AdmittedSession {
        last_seen_at: row::idle_since(inner, session.id, session.last_seen_at),
        ..*session
    };
    present.iter().map(with_use).collect()
}
