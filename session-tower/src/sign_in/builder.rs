//! Builds the sign-in, and refuses what cannot work.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Response};
use session_core::provider::openid::OpenIdProvider;
use session_core::{ProviderName, SessionManager};

use super::config_error::SignInConfigError;
use super::failure::{FailureResponse, SignInFailure};
use super::flow::{Flow, OpenIdSignIn, Registered};
use super::full_cap;
use super::known_tokens::KnownTokens;
use super::pending_cookies::{PREFIX, PendingCookies};
use super::public_url::PublicUrl;
use super::text::SignInText;
use super::users::{SubjectAsUser, UserOfSignIn, Users};
use crate::known_user::{Binding, KnownUser};
use crate::redirect::RedirectToLogin;

/// Builds an [`OpenIdSignIn`].
#[derive(Debug)]
#[must_use]
pub struct SignInBuilder {
    manager: SessionManager,
    public_url: String,
    login_path: String,
    callback_path: String,
    providers: Vec<(ProviderName, Arc<OpenIdProvider>)>,
    form_post: Vec<ProviderName>,
    scope: String,
    optional_scope: String,
    params: Vec<(String, String)>,
    users: Option<Users>,
    binding: Binding,
    home: String,
    is_signed_out_at_provider: bool,
    failure_response: Option<FailureResponse>,
    text: SignInText,
    /// The address that the server listens on, in development.
    dev: Option<SocketAddr>,
}

impl OpenIdSignIn {
    /// Returns a builder of the sign-in for the site at this public address, such as
    /// `https://app.example`: the one that browsers use, also behind a proxy that terminates TLS. In
    /// development it is `http://localhost:3000`, with [`dev`](SignInBuilder::dev).
    pub fn builder(manager: SessionManager, public_url: impl Into<String>) -> SignInBuilder {
        SignInBuilder {
            manager,
            public_url: public_url.into(),
            login_path: "/login".to_owned(),
            callback_path: "/callback".to_owned(),
            providers: Vec::new(),
            form_post: Vec::new(),
            scope: "profile email offline_access".to_owned(),
            optional_scope: String::new(),
            params: Vec::new(),
            users: None,
            binding: Binding::default(),
            home: "/".to_owned(),
            is_signed_out_at_provider: true,
            failure_response: None,
            text: SignInText::default(),
            dev: None,
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

    /// Asks this provider to answer with a form instead of a query (OAuth 2.0 Form Post Response
    /// Mode), as Apple demands where the scope has `name` or `email`. The callback turns the form into
    /// a query, so that cookies stay `SameSite=Lax`: see [`CallbackService`](super::CallbackService).
    pub fn form_post(mut self, provider: ProviderName) -> Self {
        self.form_post.push(provider);
        self
    }

    /// Sets the path of the login (default: `/login`), to which
    /// [`session_layer`](OpenIdSignIn::session_layer) sends browsers.
    pub fn login_path(mut self, path: impl Into<String>) -> Self {
        self.login_path = path.into();
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

    /// Sets scopes, separated by spaces, that users grant only once they are needed (incremental
    /// authorization): `/login?scope=calendar` asks for one of them beside the scope of every sign-in,
    /// and the browser's session goes on with it. A link can ask for no other scope.
    pub fn optional_scope(mut self, scope: impl Into<String>) -> Self {
        self.optional_scope = scope.into();
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

    /// Connects sessions for the user whom the application knows already, and binds the
    /// [`session_layer`](OpenIdSignIn::session_layer) to that user, as
    /// [`SessionLayer::with_user`](crate::SessionLayer::with_user) does. A request for which it knows
    /// none begins and completes no sign-in; neither does one of another user than the one who began.
    /// With [`users`](Self::users) both must name the same user; without it, any account at the
    /// provider may be connected.
    ///
    /// The application's own layer stands outside of the session layer. A cookie of its own must be
    /// `SameSite=Lax`: a strict one does not come with the redirect from the provider.
    pub fn known_user(mut self, known_user: impl KnownUser) -> Self {
        self.binding = Binding::to(known_user);
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
    /// [`SignInFailure::response`], a plain page or a problem document). A browser whose user has the
    /// maximum number of devices is answered with [a choice](OpenIdSignIn::choose_device) instead.
    pub fn failure_response(
        mut self,
        response: impl Fn(&SignInFailure, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.failure_response = Some(FailureResponse(Box::new(response)));
        self
    }

    /// Sets what the pages of the sign-in say (default: English).
    pub fn text(mut self, text: SignInText) -> Self {
        self.text = text;
        self
    }

    /// Turns on plain http, for development on this machine: cookies are neither `Secure` nor
    /// prefixed, because Safari drops `Secure` ones on `http://localhost`, and pages of failed
    /// sign-ins say why. The public address must be on loopback, and so must be this address, on
    /// which the server listens. A warning says so at the start.
    ///
    /// # Security
    ///
    /// Programs of other users of this machine can read what is sent.
    pub const fn dev(mut self, listener: SocketAddr) -> Self {
        self.dev = Some(listener);
        self
    }

    /// Builds the sign-in.
    ///
    /// # Errors
    ///
    /// Returns [`SignInConfigError`] if the public address is not https (or, in [`dev`](Self::dev),
    /// not http on loopback), a path is not of this site, there is no provider or one that the manager
    /// does not have, or there are several and neither who names users nor a known user is set: two
    /// providers may give different people the same subject.
    pub fn build(self) -> Result<OpenIdSignIn, SignInConfigError> {
        let invalid = SignInConfigError::new;
        let public_url = self.checked_public_url()?;
        self.check_providers()?;
        for (field, path) in [("callback_path", &self.callback_path), ("home", &self.home)] {
            if !RedirectToLogin::is_local(path) {
                return Err(invalid(field, "must be a path of this site"));
            }
        }
        let to_login = RedirectToLogin::to(self.login_path)
            .map_err(|_| invalid("login_path", "must be a path of this site"))?;
        let users = match (self.users, self.providers.len()) {
            (_, 0) => return Err(invalid("provider", "is missing")),
            (Some(users), _) => Some(users),
            (None, _) if self.binding.is_set() => None,
            (None, 1) => Some(Users(Arc::new(SubjectAsUser))),
            (None, _) => {
                return Err(invalid("users", "must be set where there are several providers"));
            }
        };
        let form_post = self.form_post;
        let providers = self.providers.into_iter().map(|(name, client)| {
            let uses_form_post = form_post.contains(&name);
            Registered { name, client, uses_form_post }
        });
        let cookies = PendingCookies::new(self.manager.clone(), public_url.is_secure(), PREFIX);
        let choices =
            PendingCookies::new(self.manager.clone(), public_url.is_secure(), full_cap::PREFIX)
                .with_max_open(full_cap::MAX_OPEN);
        Ok(OpenIdSignIn::of(Flow {
            manager: self.manager,
            cookies,
            choices,
            text: self.text,
            public_url,
            to_login,
            callback_path: self.callback_path,
            providers: providers.collect(),
            scope: self.scope,
            optional_scope: self.optional_scope,
            params: self.params,
            users,
            binding: self.binding,
            home: self.home,
            is_signed_out_at_provider: self.is_signed_out_at_provider,
            failure_response: self.failure_response,
            known_logout_tokens: KnownTokens::default(),
            layer: OnceLock::new(),
        }))
    }

    fn checked_public_url(&self) -> Result<PublicUrl, SignInConfigError> {
        let invalid = |problem| SignInConfigError::new("public_url", problem);
        let url = PublicUrl::parse(&self.public_url).ok_or_else(|| {
            invalid("must be https://host without a path, or http on loopback with `dev`")
        })?;
        match self.dev {
            None if url.is_secure() => Ok(url),
            None => Err(invalid(
                "is plain http: browsers drop `Secure` cookies there; for development on this \
                 machine call `dev`",
            )),
            Some(_) if url.is_secure() => {
                Err(invalid("is https, and `dev` is for plain http: leave `dev` out"))
            }
            Some(listener) if !listener.ip().is_loopback() => Err(SignInConfigError::new(
                "dev",
                format!(
                    "is for this machine alone, and the server listens on {listener}, which others \
                     reach: listen on 127.0.0.1"
                ),
            )),
            Some(listener) => {
                tracing::warn!(
                    %listener, public_url = self.public_url,
                    "DEVELOPMENT: cookies are not `Secure` and failures are explained to users; in \
                     production set an https address and leave `dev` out"
                );
                Ok(url)
            }
        }
    }

    /// Checks that the manager can renew what users sign in with.
    fn check_providers(&self) -> Result<(), SignInConfigError> {
        let is_added = |name: &ProviderName| self.providers.iter().any(|(added, _)| added == name);
        if !self.form_post.iter().all(is_added) {
            return Err(SignInConfigError::new("form_post", "names no provider of the sign-in"));
        }
        let mut names = self.providers.iter().map(|(name, _)| name);
        match names.find(|name| !self.manager.has_provider(name)) {
            None => Ok(()),
            Some(name) => Err(SignInConfigError::new(
                "provider",
                format!(
                    "{name:?} is not one of the manager's: add `.provider({name:?}, ..)` to \
                     `SessionManager::builder`, or correct the name",
                    name = name.as_str()
                ),
            )),
        }
    }
}
