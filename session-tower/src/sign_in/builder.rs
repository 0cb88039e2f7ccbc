//! Builds the sign-in, and refuses what cannot work.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use session_core::provider::openid::OpenIdProvider;
use session_core::{ProviderName, SessionManager};

use super::failure::{FailureResponse, SignInFailure};
use super::flow::{Flow, OpenIdSignIn, Registered};
use super::known_tokens::KnownTokens;
use super::pending_cookies::PendingCookies;
use super::public_url::PublicUrl;
use super::users::{SubjectAsUser, UserOfSignIn, Users};
use crate::redirect::RedirectToLogin;

/// Builds an [`OpenIdSignIn`].
#[derive(Debug)]
#[must_use]
pub struct SignInBuilder {
    manager: SessionManager,
    public_url: String,
    callback_path: String,
    providers: Vec<(ProviderName, Arc<OpenIdProvider>)>,
    scope: String,
    params: Vec<(String, String)>,
    users: Option<Users>,
    home: String,
    is_signed_out_at_provider: bool,
    failure_response: Option<FailureResponse>,
}

/// A sign-in cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sign-in's {field} {problem}")]
#[non_exhaustive]
pub struct SignInConfigError {
    field: &'static str,
    problem: &'static str,
}

impl SignInConfigError {
    /// Returns the name of the setting that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

impl OpenIdSignIn {
    /// Returns a builder of the sign-in for the site at this public address, such as
    /// `https://app.example`: the one that browsers use, also behind a proxy that terminates TLS.
    ///
    /// Plain http is for loopback alone. Then cookies are neither `Secure` nor prefixed, because
    /// Safari drops `Secure` ones there, and a warning says so at the start.
    pub fn builder(manager: SessionManager, public_url: impl Into<String>) -> SignInBuilder {
        SignInBuilder {
            manager,
            public_url: public_url.into(),
            callback_path: "/callback".to_owned(),
            providers: Vec::new(),
            scope: "profile email offline_access".to_owned(),
            params: Vec::new(),
            users: None,
            home: "/".to_owned(),
            is_signed_out_at_provider: true,
            failure_response: None,
        }
    }
}

impl SignInBuilder {
    /// Adds a provider, under the name that the manager knows it by. The first one is asked where
    /// `/login` names none.
    pub fn provider(mut self, name: ProviderName, client: Arc<OpenIdProvider>) -> Self {
        self.providers.push((name, client));
        self
    }

    /// Sets the path of the callback (default: `/callback`). Its address is registered at the
    /// provider as the redirect URI.
    pub fn callback_path(mut self, path: impl Into<String>) -> Self {
        self.callback_path = path.into();
        self
    }

    /// Sets the scope, separated by spaces (default: `profile email offline_access`). `openid` is
    /// always requested.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Adds a parameter to every authorization request, such as `prompt=consent`, which some
    /// providers want before they issue a refresh token, or `access_type=offline`.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Sets who names the user of a sign-in (default: [`SubjectAsUser`], for one provider).
    pub fn users(mut self, users: impl UserOfSignIn) -> Self {
        self.users = Some(Users(Arc::new(users)));
        self
    }

    /// Sets the path that a browser gets to without a `return_to`, and after a sign-out (default:
    /// `/`).
    pub fn home(mut self, path: impl Into<String>) -> Self {
        self.home = path.into();
        self
    }

    /// Leaves the user signed in at the provider after a sign-out here (default: the browser is sent
    /// to the provider's logout, where there is one).
    pub const fn keep_signed_in_at_provider(mut self) -> Self {
        self.is_signed_out_at_provider = false;
        self
    }

    /// Sets how a failed sign-in is answered, from the failure and the request's headers (default:
    /// [`SignInFailure::response`], a plain page or a problem document).
    pub fn failure_response(
        mut self,
        response: impl Fn(&SignInFailure, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.failure_response = Some(FailureResponse(Box::new(response)));
        self
    }

    /// Builds the sign-in.
    ///
    /// # Errors
    ///
    /// Returns [`SignInConfigError`] if the public address is neither https nor on loopback, a path
    /// is not of this site, there is no provider, or there are several and it is not said who names
    /// users: two providers may give different people the same subject.
    pub fn build(self) -> Result<OpenIdSignIn, SignInConfigError> {
        let invalid = |field, problem| SignInConfigError { field, problem };
        let public_url = PublicUrl::parse(&self.public_url).ok_or(invalid(
            "public_url",
            "must be https://host without a path, or http on loopback",
        ))?;
        for (field, path) in [("callback_path", &self.callback_path), ("home", &self.home)] {
            if !RedirectToLogin::is_local(path) {
                return Err(invalid(field, "must be a path of this site"));
            }
        }
        let users = match (self.users, self.providers.len()) {
            (_, 0) => return Err(invalid("provider", "is missing")),
            (Some(users), _) => users,
            (None, 1) => Users(Arc::new(SubjectAsUser)),
            (None, _) => {
                return Err(invalid("users", "must be set where there are several providers"));
            }
        };
        if !public_url.is_secure() {
            tracing::warn!("sign-ins over plain http on loopback: for development only");
        }
        let providers = self.providers.into_iter();
        let cookies =
            PendingCookies { manager: self.manager.clone(), is_secure: public_url.is_secure() };
        Ok(OpenIdSignIn::of(Flow {
            manager: self.manager,
            cookies,
            public_url,
            callback_path: self.callback_path,
            providers: providers.map(|(name, client)| Registered { name, client }).collect(),
            scope: self.scope,
            params: self.params,
            users,
            home: self.home,
            is_signed_out_at_provider: self.is_signed_out_at_provider,
            failure_response: self.failure_response,
            known_logout_tokens: KnownTokens::default(),
        }))
    }
}
