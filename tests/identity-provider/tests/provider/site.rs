//! A provider and a client application for the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use identity_provider::{
    Client, Control, IdentityProvider, IdentityProviderBuilder, RunningProvider, SessionClaims,
};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IdTokenFields, LoginHint, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, StandardErrorResponse, StandardTokenResponse,
};
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

pub(crate) const CALLBACK: &str = "http://127.0.0.1:4711/callback";
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);
const START_MS: i64 = 1_700_000_000_000;

pub(crate) type Tokens = StandardTokenResponse<
    IdTokenFields<
        SessionClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

pub(crate) type Relying = openidconnect::Client<
    SessionClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A provider, its clock, and a client application.
pub(crate) struct Site {
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) http: reqwest::Client,
    pub(crate) provider: RunningProvider,
    pub(crate) relying: Relying,
}

/// A started authorization.
pub(crate) struct Attempt {
    pub(crate) nonce: Nonce,
    pub(crate) state: CsrfToken,
    pub(crate) url: Url,
    pub(crate) verifier: PkceCodeVerifier,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(
        change: impl FnOnce(IdentityProviderBuilder) -> IdentityProviderBuilder,
    ) -> Self {
        let clock = Arc::new(AtomicI64::new(START_MS));
        let reading = Arc::clone(&clock);
        let builder = IdentityProvider::builder()
            .client(Client::new("public").redirect_uri(CALLBACK))
            .client(Client::new("other").secret("other-secret").redirect_uri(CALLBACK))
            .access_token_lifetime(LIFETIME)
            .auto_login(true)
            .clock(move || reading.load(Ordering::SeqCst));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = change(builder).build().unwrap().spawn(listener).unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let metadata =
            CoreProviderMetadata::discover_async(provider.issuer().clone(), &http).await.unwrap();
        let relying = Relying::from_provider_metadata(
            metadata,
            ClientId::new("devices".into()),
            Some(ClientSecret::new("devices-secret".into())),
        )
        .set_redirect_uri(RedirectUrl::new(CALLBACK.into()).unwrap());
        Self { clock, http, provider, relying }
    }

    pub(crate) fn control(&self) -> &Control {
        self.provider.control()
    }

    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.provider.issuer().as_str())
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn attempt(&self, name: &str) -> Attempt {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = self
            .relying
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge)
            .set_login_hint(LoginHint::new(name.into()))
            .url();
        Attempt { nonce, state, url, verifier }
    }

    /// Follows the authorization as a browser would, up to the code.
    pub(crate) async fn code(&self, attempt: &Attempt) -> AuthorizationCode {
        let back = returned(&self.http.get(attempt.url.clone()).send().await.unwrap());
        AuthorizationCode::new(param(&back, "code").expect("a code"))
    }

    pub(crate) async fn sign_in(&self, name: &str) -> Tokens {
        let attempt = self.attempt(name);
        let code = self.code(&attempt).await;
        let request = self.relying.exchange_code(code).unwrap().set_pkce_verifier(attempt.verifier);
        request.request_async(&self.http).await.unwrap()
    }

    /// Sends a token request as the client `devices`.
    pub(crate) async fn token_request(&self, form: &[(&str, &str)]) -> Response {
        self.try_token_request(form).await.unwrap()
    }

    pub(crate) async fn try_token_request(
        &self,
        form: &[(&str, &str)],
    ) -> reqwest::Result<Response> {
        let request =
            self.http.post(self.endpoint("/token")).basic_auth("devices", Some("devices-secret"));
        request.form(form).send().await
    }

    pub(crate) async fn renew(&self, refresh_token: &str) -> Response {
        self.token_request(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
            .await
    }

    pub(crate) async fn userinfo(&self, access_token: &str) -> Response {
        self.http.get(self.endpoint("/userinfo")).bearer_auth(access_token).send().await.unwrap()
    }

    pub(crate) async fn is_good(&self, tokens: &Tokens) -> bool {
        self.userinfo(tokens.access_token().secret()).await.status() == StatusCode::OK
    }
}

pub(crate) fn refresh_token(tokens: &Tokens) -> &str {
    tokens.refresh_token().expect("a refresh token").secret()
}

/// The address that a redirect leads to.
pub(crate) fn returned(response: &Response) -> Url {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[LOCATION].to_str().unwrap()).unwrap()
}

pub(crate) fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Asserts an error answer and returns nothing else of it.
pub(crate) async fn assert_error(response: Response, status: u16, error: &str) {
    assert_eq!(response.status().as_u16(), status);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
}
