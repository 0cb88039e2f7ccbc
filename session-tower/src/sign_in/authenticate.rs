//! From the callback to a user with tokens that no session holds yet.

use std::sync::Arc;

use session_core::middleware::SessionManagerExt as _;
use session_core::provider::openid::{Callback, OpenIdProvider, PendingSignIn, SignInOutcome};
use session_core::session::SessionData;
use session_core::{ProviderName, SessionManager, TokenResponse, UserId};

use super::failure::{SignInFailure, SignInFailureKind};
use super::flow::Flow;
use super::users::{SubjectAsUser, UserOfSignIn as _};

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

impl Flow {
    /// Exchanges the code, and finds the user: to the end, even if the browser hangs up meanwhile.
    pub(super) async fn authenticate(
        self: &Arc<Self>,
        provider: &str,
        pending: PendingSignIn,
        callback: Callback,
        known_user: Option<UserId>,
    ) -> Result<Authenticated, SignInFailure> {
        let registered = self.registered(Some(provider))?;
        let (provider, client) = (registered.name.clone(), Arc::clone(&registered.client));
        let flow = Arc::clone(self);
        let work = async move {
            let outcome = client.complete(pending, callback).await?;
            match flow.user_of(&provider, &outcome, known_user).await {
                Ok(user) => Ok(flow.authenticated(user, provider, client, outcome)),
                Err(refused) => {
                    client.give_back(&outcome.tokens).await;
                    Err(refused)
                }
            }
        };
        self.manager.run_to_end(work).await?
    }

    fn authenticated(
        &self,
        user: UserId,
        provider: ProviderName,
        client: Arc<OpenIdProvider>,
        outcome: SignInOutcome,
    ) -> Authenticated {
        let data = match &self.users {
            Some(users) => users.0.data(&outcome),
            None => SubjectAsUser.data(&outcome),
        };
        let (tokens, manager) = (Some(outcome.tokens.clone()), self.manager.clone());
        let unclaimed = UnclaimedTokens { tokens, client, manager };
        Authenticated { user, provider, outcome, data, unclaimed }
    }

    /// Returns the user who has signed in; where the application knows one, it must be that one.
    async fn user_of(
        &self,
        provider: &ProviderName,
        outcome: &SignInOutcome,
        known: Option<UserId>,
    ) -> Result<UserId, SignInFailure> {
        let Some(users) = &self.users else {
            return known.ok_or(SignInFailure::new(SignInFailureKind::NotSignedIn));
        };
        let user = users.0.user(provider, outcome).await?;
        match known {
            Some(known) if known != user => Err(SignInFailure::new(SignInFailureKind::OtherUser)),
            _ => Ok(user),
        }
    }
}
