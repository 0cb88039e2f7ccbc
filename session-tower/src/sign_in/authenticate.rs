//! From the callback to a user with tokens that no session holds yet.

use std::sync::Arc;

use session_core::middleware::SessionManagerExt as _;
use session_core::provider::openid::{Callback, OpenIdProvider, PendingSignIn, SignInOutcome};
use session_core::session::SessionData;
use session_core::{ProviderName, SessionManager, TokenResponse, UserId};

use super::failure::{SignInFailure, SignInFailureKind};
use super::users::{SubjectAsUser, UserOfSignIn as _, Users};

/// Who has authenticated, and where.
pub(super) struct Authenticated {
    pub(super) user: UserId,
    pub(super) provider: ProviderName,
    pub(super) outcome: SignInOutcome,
    /// What the application keeps with the session.
    pub(super) data: Option<SessionData>,
    pub(super) unclaimed: UnclaimedTokens,
}

/// Tokens that no session holds yet. Dropped before one takes them, they are given back: a browser that
/// hangs up leaves no live refresh token (F36).
pub(super) struct UnclaimedTokens {
    tokens: Option<TokenResponse>,
    client: Arc<OpenIdProvider>,
    manager: SessionManager,
}

impl UnclaimedTokens {
    /// Leaves the tokens to a session.
    pub(super) fn claim(mut self) {
        self.tokens = None;
    }
}

impl Drop for UnclaimedTokens {
    fn drop(&mut self) {
        let Some(tokens) = self.tokens.take() else { return };
        let client = Arc::clone(&self.client);
        drop(self.manager.run_to_end(async move { client.give_back(&tokens).await }));
    }
}

/// Finds out who has authenticated at one provider.
pub(super) struct Authenticator {
    pub(super) provider: ProviderName,
    pub(super) client: Arc<OpenIdProvider>,
    /// `None`: the known user alone.
    pub(super) users: Option<Users>,
    pub(super) manager: SessionManager,
}

impl Authenticator {
    /// Exchanges the code, and finds the user: to the end, even if the browser hangs up meanwhile.
    pub(super) async fn authenticate(
        self,
        pending: PendingSignIn,
        callback: Callback,
        known_user: Option<UserId>,
    ) -> Result<Authenticated, SignInFailure> {
        let manager = self.manager.clone();
        let work = async move {
            let outcome = self.client.complete(pending, callback).await?;
            match self.user_of(&outcome, known_user).await {
                Ok(user) => Ok(self.authenticated(user, outcome)),
                Err(refused) => {
                    self.client.give_back(&outcome.tokens).await;
                    Err(refused)
                }
            }
        };
        manager.run_to_end(work).await?
    }

    fn authenticated(self, user: UserId, outcome: SignInOutcome) -> Authenticated {
        let Self { provider, client, users, manager } = self;
        let data = match users {
            Some(users) => users.0.data(&outcome),
            None => SubjectAsUser.data(&outcome),
        };
        let unclaimed = UnclaimedTokens { tokens: Some(outcome.tokens.clone()), client, manager };
        Authenticated { user, provider, outcome, data, unclaimed }
    }

    /// Returns the user who has signed in; where the application knows one, it must be that one.
    async fn user_of(
        &self,
        outcome: &SignInOutcome,
        known: Option<UserId>,
    ) -> Result<UserId, SignInFailure> {
        let Some(users) = &self.users else {
            return known.ok_or(SignInFailure::new(SignInFailureKind::NotSignedIn));
        };
        let user = users.0.user(&self.provider, outcome).await?;
        match known {
            Some(known) if known != user => Err(SignInFailure::new(SignInFailureKind::OtherUser)),
            _ => Ok(user),
        }
    }
}
