//! The two halves of a sign-in, and the sign-out: what the services are built on.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::USER_AGENT;
use http::{Extensions, HeaderMap, HeaderValue, Response};
use session_core::manager::{ManagerError, SignIn, StepUp, StepUpOutcome};
use session_core::middleware::{ErrorChain, SessionManagerExt as _};
use session_core::policy::authentication::RequiredAuthentication;
use session_core::provider::openid::{
    AuthorizationOptions, Callback, OpenIdProvider, SignInOutcome,
};
use session_core::session::DeviceLabel;
use session_core::{ProviderName, SessionId, SessionManager, UserId};

use super::authenticate::{Authenticated, Authenticator};
use super::failure::{FailureResponse, SignInFailure, SignInFailureKind};
use super::full_cap::{Choice, FullCap, query_of};
use super::known_tokens::KnownTokens;
use super::pending_cookies::{PendingCookies, Record};
use super::public_url::PublicUrl;
use super::text::SignInText;
use super::users::Users;
use crate::current::{CurrentSession, PresentedCookie};
use crate::known_user::{Binding, NoUser};
use crate::layer::SessionLayer;
use crate::redirect::RedirectToLogin;
use crate::rejection::Rejection;

/// The maximum length of what a browser asks to be passed on or kept, in bytes.
const MAX_TEXT: usize = 512;

/// How long a browser waits, after it was signed out here, for the address of the provider's logout:
/// at most once, because it is known afterwards.
const MAX_LOGOUT_WAIT: Duration = Duration::from_secs(2);

/// Ready-made OpenID Connect sign-in and sign-out; see the [module's documentation](super). Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct OpenIdSignIn {
    pub(crate) flow: Arc<Flow>,
}

/// The settings, and what the steps of a sign-in share.
pub(crate) struct Flow {
    pub(crate) manager: SessionManager,
    pub(super) cookies: PendingCookies<Record>,
    pub(super) choices: PendingCookies<Choice>,
    pub(super) text: SignInText,
    pub(crate) public_url: PublicUrl,
    pub(super) to_login: RedirectToLogin,
    pub(super) callback_path: String,
    pub(super) providers: Vec<Registered>,
    pub(super) scope: String,
    pub(super) optional_scope: String,
    pub(super) params: Vec<(String, String)>,
    /// `None`: the known user alone.
    pub(super) users: Option<Users>,
    pub(super) binding: Binding,
    pub(crate) home: String,
    pub(super) is_signed_out_at_provider: bool,
    pub(super) failure_response: Option<FailureResponse>,
    pub(super) known_logout_tokens: KnownTokens,
    pub(super) layer: OnceLock<SessionLayer>,
}

pub(super) struct Registered {
    pub(super) name: ProviderName,
    pub(super) client: Arc<OpenIdProvider>,
    pub(super) uses_form_post: bool,
}

/// What a browser asks for when it begins a sign-in.
///
/// Values of a request: a `return_to` that leaves the site, and texts that are too long, count as
/// none.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BeginOptions {
    /// The name of the provider; `None` for the first one.
    pub provider: Option<String>,
    /// The path to return to.
    pub return_to: Option<String>,
    /// The user name to fill into the provider's form.
    pub login_hint: Option<String>,
    /// The further scope to ask for, separated by spaces; only what is
    /// [optional](super::SignInBuilder::optional_scope) is asked for.
    pub scope: Option<String>,
    /// How recently and how strongly the user must authenticate.
    pub required: RequiredAuthentication,
}

/// A sign-in that has begun: redirect the browser, with these cookies.
#[non_exhaustive]
pub struct Begun {
    /// The address at the provider.
    pub location: String,
    /// Values of `Set-Cookie`.
    pub cookies: Vec<HeaderValue>,
}

/// A sign-in that has completed: redirect the browser, and set the session's cookie with
/// [`CookieUpdate::stepped_up`](crate::CookieUpdate::stepped_up).
#[derive(Debug)]
#[non_exhaustive]
pub struct Completed {
    /// The new session, or the one that goes on.
    pub outcome: StepUpOutcome,
    /// The path of this site to return to.
    pub return_to: String,
}

impl BeginOptions {
    /// Reads the parameters `provider`, `return_to`, `login_hint`, `scope`, `max_age` and `acr_values`
    /// of a query.
    ///
    /// ```
    /// use session_tower::sign_in::BeginOptions;
    ///
    /// let options = BeginOptions::from_query("return_to=%2Fdevices%3Fsort%3Dname");
    /// assert_eq!(options.return_to.as_deref(), Some("/devices?sort=name"));
    /// let elsewhere = BeginOptions::from_query("return_to=https%3A%2F%2Fevil.example");
    /// assert_eq!(elsewhere.return_to, None);
    /// ```
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let mut options = Self::default();
        let (mut max_age, mut acr_values) = (None, String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = Some(value.into_owned()).filter(|value| value.len() <= MAX_TEXT);
            match &*name {
                "provider" => options.provider = value,
                "return_to" => {
                    options.return_to = value.filter(|path| RedirectToLogin::is_local(path));
                }
                "login_hint" => options.login_hint = value.filter(|hint| !hint.is_empty()),
                "scope" => options.scope = value.filter(|scope| !scope.is_empty()),
                "max_age" => max_age = value.and_then(|seconds| seconds.parse().ok()),
                "acr_values" => acr_values = value.unwrap_or_default(),
                _ => {}
            }
        }
        let age =
            max_age.map(|seconds| RequiredAuthentication::within(Duration::from_secs(seconds)));
        options.required = age.unwrap_or_default();
        for value in acr_values.split_ascii_whitespace() {
            let required = options.required.clone().with_acr(value);
            options.required = required.unwrap_or(options.required);
        }
        options
    }

    /// Returns whether this is to let a session go on, instead of beginning another one.
    pub(super) fn is_step_up_of(&self, current: &CurrentSession) -> bool {
        let provider = self.provider.as_deref();
        let is_same = provider.is_none_or(|name| name == current.provider().as_str());
        (!self.required.is_none() || self.scope.is_some()) && is_same
    }
}

impl OpenIdSignIn {
    pub(super) fn of(flow: Flow) -> Self {
        Self { flow: Arc::new(flow) }
    }

    /// Begins a sign-in in this browser: keeps its record in a cookie, and returns the address at the
    /// provider.
    ///
    /// The extensions are those of the request, for the user whom the application
    /// [knows](super::SignInBuilder::known_user).
    ///
    /// # Errors
    ///
    /// Returns [`SignInFailure`] if there is no such provider, it cannot be reached, or the application
    /// knows no user for whom the session would be.
    pub async fn begin(
        &self,
        options: BeginOptions,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Begun, SignInFailure> {
        let known_user = self.flow.known_user(headers, extensions)?;
        self.flow.begin(options, None, known_user, headers).await
    }

    /// Begins a step-up: the user of this session authenticates again, or grants a further scope, at
    /// the same provider, and the session goes on. Optional scopes that it has are asked for again.
    ///
    /// # Errors
    ///
    /// Returns [`SignInFailure`] if this sign-in does not know the session's provider, or it cannot
    /// be reached.
    pub async fn begin_step_up(
        &self,
        current: &CurrentSession,
        mut options: BeginOptions,
        headers: &HeaderMap,
    ) -> Result<Begun, SignInFailure> {
        options.provider = Some(current.provider().as_str().to_owned());
        let known_user = self.flow.binding.is_set().then(|| current.user().clone());
        self.flow.begin(options, Some(current), known_user, headers).await
    }

    /// Completes the sign-in that the query of the callback is about, and admits the session. Also
    /// returns the `Set-Cookie` that removes the record, whatever the outcome: a sign-in is completed
    /// once.
    ///
    /// The extensions are those of the request, in which the session layer has noted the cookie that
    /// the new session supersedes (S2).
    ///
    /// # Errors
    ///
    /// Returns [`SignInFailure`] if this browser did not begin the sign-in, a check fails, the
    /// application refuses the user or knows another one, or the policy refuses one more session.
    pub async fn complete(
        &self,
        query: &str,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> (Result<Completed, SignInFailure>, Option<HeaderValue>) {
        let callback = Callback::from_query(query);
        let state = callback.state.clone().unwrap_or_default();
        match self.flow.cookies.take(&state, headers) {
            None => (Err(SignInFailure::new(SignInFailureKind::Unknown)), None),
            Some((record, removal)) => {
                let completed = self.flow.complete(record, callback, headers, extensions).await;
                (completed, Some(removal))
            }
        }
    }

    /// Signs the browser's session out, and returns the address for the browser: at the provider,
    /// which then sends it home, or here.
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] to answer with if the store cannot be reached; the session is live
    /// then.
    pub async fn sign_out(
        &self,
        current: Option<&CurrentSession>,
        headers: &HeaderMap,
    ) -> Result<String, Rejection> {
        let flow = &*self.flow;
        let Some(current) = current else { return Ok(flow.home.clone()) };
        flow.manager.sign_out(current.user(), current.id()).await?;
        Ok(flow.after_sign_out(current, headers).await.unwrap_or_else(|| flow.home.clone()))
    }
}

impl OpenIdSignIn {
    pub(super) fn failed(&self, failure: &SignInFailure, headers: &HeaderMap) -> Response<Bytes> {
        match failure.status().is_server_error() {
            true => tracing::warn!(error = %ErrorChain(failure), "a sign-in failed"),
            false => tracing::info!(error = %ErrorChain(failure), "a sign-in failed"),
        }
        match &self.flow.failure_response {
            Some(configured) => configured.0(failure, headers),
            // In development the cause stands on the page, not only in the log.
            None if !self.flow.public_url.is_secure() => failure.explained_response(headers),
            None => failure.response(headers),
        }
    }
}

impl Flow {
    pub(super) fn has_form_post(&self) -> bool {
        self.providers.iter().any(|registered| registered.uses_form_post)
    }

    async fn begin(
        &self,
        options: BeginOptions,
        step_up: Option<&CurrentSession>,
        known_user: Option<UserId>,
        headers: &HeaderMap,
    ) -> Result<Begun, SignInFailure> {
        let registered = self.registered(options.provider.as_deref())?;
        let granted = step_up.and_then(|current| current.tokens().scope());
        let asked = self.options(&options, headers).with_scope(&self.scope(&options, granted));
        let asked = if registered.uses_form_post { asked.with_form_post() } else { asked };
        let request = registered.client.authorization_request(asked).await?;
        let return_to = options.return_to.filter(|path| RedirectToLogin::is_local(path));
        let return_to = return_to.unwrap_or_else(|| self.home.clone());
        let provider = registered.name.as_str().to_owned();
        let mut record = Record::new(request.pending, provider, return_to, self.manager.now());
        record.scope = options.scope;
        record.step_up = step_up.map(|current| current.id().to_string());
        record.known_user = known_user.map(|user| user.as_str().to_owned());
        let cookies = self.cookies.keep(&record, headers);
        let cookies = cookies.ok_or(SignInFailure::new(SignInFailureKind::Misconfigured))?;
        Ok(Begun { location: request.url, cookies })
    }

    fn registered(&self, name: Option<&str>) -> Result<&Registered, SignInFailure> {
        let unknown = || SignInFailure::new(SignInFailureKind::UnknownProvider);
        let mut providers = self.providers.iter();
        match name {
            None => providers.next().ok_or_else(unknown),
            Some(name) => providers.find(|one| one.name.as_str() == name).ok_or_else(unknown),
        }
    }

    fn authenticator(&self, provider: &str) -> Result<Authenticator, SignInFailure> {
        let Registered { name, client, .. } = self.registered(Some(provider))?;
        let (provider, client) = (name.clone(), Arc::clone(client));
        let (users, manager) = (self.users.clone(), self.manager.clone());
        Ok(Authenticator { provider, client, users, manager })
    }

    /// Returns the scope of every sign-in, with the optional ones that are asked for or granted.
    fn scope(&self, asked: &BeginOptions, granted: Option<&str>) -> String {
        let wanted = [asked.scope.as_deref(), granted].into_iter().flatten();
        let wanted: Vec<&str> = wanted.flat_map(str::split_ascii_whitespace).collect();
        let optional = self.optional_scope.split_ascii_whitespace();
        let optional = optional.filter(|scope| wanted.contains(scope));
        self.scope.split_ascii_whitespace().chain(optional).collect::<Vec<_>>().join(" ")
    }

    fn options(&self, asked: &BeginOptions, headers: &HeaderMap) -> AuthorizationOptions {
        let redirect_uri = self.public_url.of(&self.callback_path, headers);
        let mut options = AuthorizationOptions::new(redirect_uri)
            .with_required_authentication(asked.required.clone());
        if let Some(hint) = &asked.login_hint {
            options = options.with_login_hint(hint);
        }
        // What is required takes the place of a wish.
        let is_wish = |name: &str| name == "acr_values" && asked.required.acr_values().is_some();
        for (name, value) in self.params.iter().filter(|(name, _)| !is_wish(name)) {
            options = options.with_param(name, value);
        }
        options
    }

    async fn complete(
        &self,
        record: Record,
        callback: Callback,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Completed, SignInFailure> {
        let known_user = self.known_user(headers, extensions)?;
        if record.known_user.as_deref() != known_user.as_ref().map(UserId::as_str) {
            // The browser has another user since. The code stays unused.
            return Err(SignInFailure::new(SignInFailureKind::Unknown));
        }
        let presented = PresentedCookie::of(extensions);
        let required = record.pending.required_authentication().unwrap_or_default();
        let authenticator = self.authenticator(&record.provider)?;
        let authenticated =
            authenticator.authenticate(record.pending, callback, known_user).await?;
        let Authenticated { user, provider, outcome, data, unclaimed } = authenticated;
        // From here on to the admission there is nothing to wait for.
        unclaimed.claim();
        let SignInOutcome { tokens, identity, authentication, .. } = outcome;
        let full = FullCap {
            user: user.clone(),
            provider: provider.clone(),
            identity: identity.clone(),
            query: query_of(&record.provider, &record.return_to, &required, record.scope),
        };
        let sign_in = SignIn::new(&user, &provider, tokens)
            .identity(identity)
            .authentication(authentication)
            .device(device(headers))
            .supersedes(presented.iter().flat_map(PresentedCookie::digests));
        let sign_in = match data {
            Some(data) => sign_in.data(data),
            None => sign_in,
        };
        let admitted = self.admit(record.step_up, sign_in, required).await;
        let outcome = admitted.map_err(|error| SignInFailure::from(error).at_full_cap(full))?;
        Ok(Completed { outcome, return_to: record.return_to })
    }

    /// Lets the session of a step-up go on, or admits a new one.
    async fn admit(
        &self,
        step_up: Option<String>,
        sign_in: SignIn,
        required: RequiredAuthentication,
    ) -> Result<StepUpOutcome, ManagerError> {
        match step_up.and_then(|id| id.parse::<SessionId>().ok()) {
            Some(id) => self.manager.step_up(StepUp::new(id, sign_in).required(required)).await,
            None => self.manager.sign_in(sign_in).await.map(StepUpOutcome::SignedIn),
        }
    }

    /// Returns the user whom the application knows; `None` if sessions are not bound to one.
    pub(super) fn known_user(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<UserId>, SignInFailure> {
        self.binding.user(headers, extensions).map_err(|NoUser| {
            SignInFailure::new(SignInFailureKind::NotSignedIn).caused_by(
                "the application knows no user of the request: no user is signed in to it, its own \
                 layer does not stand outside of these routes, or its cookie is `SameSite=Strict`, \
                 which browsers do not send with a redirect from the provider",
            )
        })
    }

    /// Returns the address of the provider's logout; `None` if there is none, or it cannot be asked
    /// for it: the user is signed out here all the same.
    async fn after_sign_out(
        &self,
        current: &CurrentSession,
        headers: &HeaderMap,
    ) -> Option<String> {
        let name = current.provider();
        let mut providers = self.providers.iter().filter(|_| self.is_signed_out_at_provider);
        let client = &providers.find(|one| one.name == *name)?.client;
        let home = self.public_url.of(&self.home, headers);
        let asked = pin!(client.end_session_url(current.tokens().id_token(), Some(&home)));
        match select(asked, self.manager.sleep(MAX_LOGOUT_WAIT)).await {
            Either::Left((Ok(address), _)) => address,
            Either::Left((Err(error), _)) => {
                let error = ErrorChain(&error);
                tracing::warn!(%error, %name, "a user is not signed out at the provider");
                None
            }
            Either::Right(_) => {
                tracing::warn!(%name, "a user is not signed out at the provider: no answer in time");
                None
            }
        }
    }
}

/// Returns the label of the browser, which its user recognises.
pub(crate) fn device(headers: &HeaderMap) -> DeviceLabel {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.filter(|agent| !agent.is_empty()).map(DeviceLabel::from_user_agent).unwrap_or_default()
}

impl fmt::Debug for Begun {
    /// Omits the address and the cookies, which contain the secrets of the sign-in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: Vec<&str> = self.providers.iter().map(|one| one.name.as_str()).collect();
        f.debug_struct("Flow")
            .field("public_url", &self.public_url)
            .field("providers", &providers)
            .finish_non_exhaustive()
    }
}
