//! The request to the authorization endpoint: what a sign-in asks for.

use std::borrow::Cow;

use openidconnect::core::CoreAuthenticationFlow;
use openidconnect::{CsrfToken, LoginHint, Nonce, PkceCodeChallenge, RedirectUrl, Scope};
use secrecy::SecretString;

use super::pending::{AuthorizationRequest, PendingSignIn};
use super::provider::OpenIdProvider;
use super::setting::{InvalidSetting, SetupError};
use crate::policy::authentication::RequiredAuthentication;

/// What one sign-in asks of the provider.
///
/// ```
/// use std::time::Duration;
/// use session_core::policy::authentication::RequiredAuthentication;
/// use session_core::provider::openid::AuthorizationOptions;
///
/// let options = AuthorizationOptions::new("https://app.example/callback")
///     .with_scope("profile offline_access")
///     .with_required_authentication(RequiredAuthentication::within(Duration::from_secs(3600)))
///     .with_param("prompt", "consent");
/// assert!(format!("{options:?}").contains("prompt"));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct AuthorizationOptions {
    redirect_uri: String,
    scope: Vec<Scope>,
    login_hint: Option<LoginHint>,
    required: RequiredAuthentication,
    params: Vec<(String, String)>,
    is_form_post: bool,
}

/// The parameters that a sign-in sets itself: they protect it, or have a method of their own.
const RESERVED: [&str; 13] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "max_age",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl AuthorizationOptions {
    /// Creates the options of a sign-in that returns to this address of the application.
    pub fn new(redirect_uri: impl Into<String>) -> Self {
        let redirect_uri = redirect_uri.into();
        Self {
            redirect_uri,
            scope: Vec::new(),
            login_hint: None,
            required: RequiredAuthentication::none(),
            params: Vec::new(),
            is_form_post: false,
        }
    }

    /// Sets the scope, separated by spaces. `openid` is always requested.
    pub fn with_scope(mut self, scope: &str) -> Self {
        let scopes = scope.split_ascii_whitespace().filter(|scope| *scope != "openid");
        self.scope = scopes.map(|scope| Scope::new(scope.to_owned())).collect();
        self
    }

    /// Sets the user name to fill into the provider's form.
    pub fn with_login_hint(mut self, name: impl Into<String>) -> Self {
        self.login_hint = Some(LoginHint::new(name.into()));
        self
    }

    /// Sets how long ago the user may have authenticated at the provider (`max_age`), and at which
    /// level (`acr_values`); otherwise the provider asks again. The ID token must then say so, and is
    /// checked.
    pub fn with_required_authentication(mut self, required: RequiredAuthentication) -> Self {
        self.required = required;
        self
    }

    /// Adds another parameter, such as `prompt`, `resource`, `audience` or a provider's own, such as
    /// `access_type`. A name may be added several times. `acr_values` that are added here are a wish,
    /// which is not checked.
    pub fn with_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Asks for the answer in a form that the browser posts to the redirect URI, instead of its query
    /// (OAuth 2.0 Form Post Response Mode): [`Callback::from_query`](super::Callback::from_query)
    /// parses it too.
    pub const fn with_form_post(mut self) -> Self {
        self.is_form_post = true;
        self
    }

    fn scope_text(&self) -> String {
        let further = self.scope.iter().map(|scope| scope.as_str());
        std::iter::once("openid").chain(further).collect::<Vec<_>>().join(" ")
    }

    fn check(&self) -> Result<RedirectUrl, InvalidSetting> {
        let asks_for_level = self.required.acr_values().is_some();
        if asks_for_level && self.params.iter().any(|(name, _)| name == "acr_values") {
            return Err(InvalidSetting::new("param", "has acr_values beside the required ones"));
        }
        if self.params.iter().any(|(name, _)| RESERVED.contains(&name.as_str())) {
            let problem = "is a parameter that the sign-in sets itself";
            return Err(InvalidSetting::new("param", problem));
        }
        RedirectUrl::new(self.redirect_uri.clone())
            .map_err(|_| InvalidSetting::new("redirect_uri", "is not a URL"))
    }
}

impl OpenIdProvider {
    /// Begins a sign-in: returns the address for the browser and the record to keep until it returns.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] if `redirect_uri` is not an absolute URL, a parameter is one that the
    /// sign-in sets itself, or the discovery document is invalid or cannot be fetched.
    pub async fn authorization_request(
        &self,
        options: AuthorizationOptions,
    ) -> Result<AuthorizationRequest, SetupError> {
        let redirect_url = options.check()?;
        let metadata = self.discovered().await?.metadata;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let scope = options.scope_text();
        let mut request = metadata
            .client
            .authorize_url(flow, || CsrfToken::new_random_len(32), || Nonce::new_random_len(32))
            .add_scopes(options.scope)
            .set_redirect_uri(Cow::Owned(redirect_url))
            .set_pkce_challenge(challenge);
        if let Some(hint) = options.login_hint {
            request = request.set_login_hint(hint);
        }
        if let Some(max_age) = options.required.max_age() {
            request = request.set_max_age(max_age);
        }
        if options.is_form_post {
            request = request.add_extra_param("response_mode", "form_post");
        }
        if let Some(values) = options.required.acr_values() {
            request = request.add_extra_param("acr_values", values);
        }
        for (name, value) in options.params {
            request = request.add_extra_param(name, value);
        }
        let (url, state, nonce) = request.url();
        let pending = PendingSignIn {
            issuer: self.registration.issuer.clone(),
            redirect_uri: options.redirect_uri,
            started_at: self.transport.clock.now().as_millis(),
            max_age: options.required.max_age().map(|span| span.as_secs()),
            acr_values: options.required.acr_values(),
            scope,
            state: SecretString::from(state.into_secret()),
            nonce: SecretString::from(nonce.secret().clone()),
            verifier: SecretString::from(verifier.into_secret()),
        };
        Ok(AuthorizationRequest { url: url.into(), pending })
    }
}
