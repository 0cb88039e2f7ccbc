//! `OpenIdProvider` against a real provider over real HTTP, with reqwest.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use identity_provider::{
    Client, Endpoint, Fault, IdentityProvider, RunningProvider, ScriptedResponse, SigningKey,
};
use openidconnect::http::StatusCode;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use serde_json::json;
use session_core::TokenSet;
use session_core::clock::Clock;
use session_core::provider::openid::{
    AuthorizationOptions, AuthorizationRequest, Callback, OpenIdProvider, SetupError,
    SignInErrorKind, SignInOutcome,
};
use session_core::provider::{Provider, ProviderErrorKind};
use session_core::testing::FakeClock;
use tokio::net::TcpListener;

const CALLBACK: &str = "http://127.0.0.1:9/callback";
const HOUR: Duration = Duration::from_secs(3600);

/// A provider that runs, and this application's registration there.
struct Setting {
    clock: FakeClock,
    idp: RunningProvider,
    provider: OpenIdProvider,
}

impl Setting {
    async fn new() -> Self {
        // Making a key takes a moment.
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        let clock = FakeClock::new();
        let time = clock.clone();
        let idp = IdentityProvider::builder()
            .key(KEY.get_or_init(|| SigningKey::generate().unwrap()).clone())
            .client(Client::new("another").redirect_uri(CALLBACK))
            .clock(move || time.now().as_millis())
            .auto_login(true)
            .build()
            .unwrap();
        let idp = idp.spawn(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
        let provider = registered(&idp, &clock, "devices-secret").await.unwrap();
        Self { clock, idp, provider }
    }

    async fn asks(&self, person: &str) -> AuthorizationRequest {
        let options = AuthorizationOptions::new(CALLBACK)
            .with_scope("profile email offline_access")
            .with_login_hint(person);
        self.provider.authorization_request(options).await.unwrap()
    }

    async fn signs_in(&self, person: &str) -> SignInOutcome {
        let request = self.asks(person).await;
        let callback = comes_back(&request.url).await;
        self.provider.complete(request.pending, callback).await.unwrap()
    }

    async fn tokens_of(&self, person: &str) -> TokenSet {
        TokenSet::new(self.signs_in(person).await.tokens, self.clock.now(), HOUR)
    }

    async fn renewed(&self, tokens: &TokenSet) -> TokenSet {
        let answer = self.provider.renew(tokens).await.unwrap();
        tokens.renewed(answer, self.clock.now(), HOUR)
    }

    async fn fails(&self, tokens: &TokenSet) -> ProviderErrorKind {
        self.provider.renew(tokens).await.unwrap_err().kind()
    }

    fn breaks_next_renewal(&self, fault: Fault) {
        self.idp.control().push_fault_at(Endpoint::Renewal, fault);
    }
}

async fn registered(
    idp: &RunningProvider,
    clock: &FakeClock,
    secret: &str,
) -> Result<OpenIdProvider, SetupError> {
    OpenIdProvider::builder(idp.issuer().as_str(), "devices", http())
        .dangerous_insecure_loopback()
        .with_client_secret(secret.to_owned().into())
        .with_clock(Arc::new(clock.clone()))
        .discover()
        .await
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
}

/// What the browser comes back with from the provider.
async fn comes_back(url: &str) -> Callback {
    let response = http().get(url).send().await.unwrap();
    let location = response.headers().get(LOCATION).unwrap().to_str().unwrap();
    let (address, query) = location.split_once('?').unwrap();
    assert_eq!(address, CALLBACK);
    Callback::from_query(query)
}

#[tokio::test]
async fn signs_in_and_renews() {
    let setting = Setting::new().await;
    setting.idp.control().configure(|settings| {
        settings.extra_token_fields.insert("tenant".to_owned(), json!("t-7"));
    });
    let outcome = setting.signs_in("alice").await;
    assert_eq!(outcome.identity.issuer.as_deref(), Some(setting.idp.issuer().as_str()));
    assert_eq!(outcome.identity.subject.as_ref().unwrap().as_str(), "alice");
    let families = setting.idp.control().families();
    assert_eq!(outcome.identity.sid.as_deref(), Some(families[0].sid.as_str()));
    assert_eq!(outcome.claims.preferred_username.as_deref(), Some("alice"));
    assert_eq!(outcome.claims.email.as_deref(), Some("alice@example.test"));

    let first = TokenSet::new(outcome.tokens, setting.clock.now(), HOUR);
    assert_eq!(first.expires_at(), Some(setting.clock.now() + Duration::from_secs(300)));
    setting.clock.advance(Duration::from_secs(299));
    let second = setting.renewed(&first).await;
    assert!(!second.is_access_token(first.access_token()));
    assert!(!second.has_refresh_token_of(&first), "it rotates");
    assert_eq!(second.field("tenant"), Some(&json!("t-7")));
    assert_eq!(second.expires_at(), Some(setting.clock.now() + Duration::from_secs(300)));
    setting.renewed(&second).await;
    assert_eq!(setting.idp.control().stats().renewals, 2);
}

#[tokio::test]
async fn f26_renews_at_a_provider_that_names_nothing_but_a_new_access_token() {
    let setting = Setting::new().await;
    setting.idp.control().configure(|settings| {
        settings.rotate_refresh_tokens = false;
        settings.id_token_on_renewal = false;
        settings.send_expires_in = false;
    });
    let first = setting.tokens_of("alice").await;
    let second = setting.renewed(&first).await;
    assert!(second.has_refresh_token_of(&first));
    assert!(second.id_token().is_some() && second.id_token() == first.id_token());
    assert_eq!(second.expires_at(), Some(setting.clock.now() + HOUR), "F25: assumed");
    setting.renewed(&second).await;
}

#[tokio::test]
async fn r6_a_reused_refresh_token_is_refused_and_ends_only_its_family() {
    let setting = Setting::new().await;
    let (laptop, phone) = (setting.tokens_of("alice").await, setting.tokens_of("alice").await);
    let renewed = setting.renewed(&laptop).await;
    assert_eq!(setting.fails(&laptop).await, ProviderErrorKind::Refused);
    assert_eq!(setting.idp.control().stats().reuse_detected, 1);
    assert_eq!(setting.fails(&renewed).await, ProviderErrorKind::Refused);
    setting.renewed(&phone).await;
}

#[tokio::test]
async fn v1_v2_revokes_one_login_and_an_unknown_token_too() {
    let setting = Setting::new().await;
    let (laptop, phone) = (setting.tokens_of("alice").await, setting.tokens_of("alice").await);
    let token = laptop.refresh_token().unwrap().to_owned().into();
    setting.provider.revoke(&token).await.unwrap();
    assert_eq!(setting.idp.control().stats().revocations, 1);
    setting.provider.revoke(&token).await.unwrap();
    assert_eq!(setting.idp.control().stats().revocations, 1, "it was dead already");
    assert_eq!(setting.fails(&laptop).await, ProviderErrorKind::Refused);
    setting.renewed(&phone).await;

    let busy = ScriptedResponse::new(StatusCode::SERVICE_UNAVAILABLE).retry_after_seconds(30);
    setting.idp.control().push_fault_at(Endpoint::Revocation, Fault::respond(busy));
    let error = setting.provider.revoke(&token).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unavailable);
    assert_eq!(error.asks_to_wait(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn f7_f9_trouble_at_the_provider_loses_no_session() {
    let setting = Setting::new().await;
    let tokens = setting.tokens_of("alice").await;
    let refusal = json!({"error": "invalid_grant"});
    let answer = |status| Fault::respond(ScriptedResponse::json(status, &refusal));

    let busy = ScriptedResponse::new(StatusCode::TOO_MANY_REQUESTS).retry_after_seconds(7);
    setting.breaks_next_renewal(Fault::respond(busy));
    let error = setting.provider.renew(&tokens).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Throttled);
    assert_eq!(error.asks_to_wait(), Some(Duration::from_secs(7)));

    setting.breaks_next_renewal(answer(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(setting.fails(&tokens).await, ProviderErrorKind::Unavailable);
    setting.breaks_next_renewal(Fault::close());
    assert_eq!(setting.fails(&tokens).await, ProviderErrorKind::Unavailable);
    let page = ScriptedResponse::new(StatusCode::OK).body("<html>Sign in to the Wi-Fi</html>");
    setting.breaks_next_renewal(Fault::respond(page));
    assert_eq!(setting.fails(&tokens).await, ProviderErrorKind::Malformed);

    assert_eq!(setting.idp.control().stats().renewals, 0);
    setting.renewed(&tokens).await;
    setting.breaks_next_renewal(answer(StatusCode::BAD_REQUEST));
    assert_eq!(setting.fails(&tokens).await, ProviderErrorKind::Refused, "only this is one");
}

#[tokio::test]
async fn f11_a_lost_response_is_an_outage_that_the_grace_period_of_the_provider_repairs() {
    let setting = Setting::new().await;
    setting.idp.control().configure(|settings| settings.reuse_grace = Duration::from_secs(10));
    let tokens = setting.tokens_of("alice").await;
    setting.breaks_next_renewal(Fault::lose_response());
    assert_eq!(setting.fails(&tokens).await, ProviderErrorKind::Unavailable);
    assert_eq!(setting.idp.control().stats().renewals, 1, "it rotated, and the response was lost");
    setting.renewed(&tokens).await;
    assert_eq!(setting.idp.control().stats().reuse_detected, 0);
}

#[tokio::test]
async fn f42_a_wrong_client_secret_ends_no_session() {
    let setting = Setting::new().await;
    let tokens = setting.tokens_of("alice").await;
    let wrong = registered(&setting.idp, &setting.clock, "wrong").await.unwrap();
    let error = wrong.renew(&tokens).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Misconfigured);
    setting.renewed(&tokens).await;
}

#[tokio::test]
async fn an_unavailable_provider_is_a_transient_error() {
    let setting = Setting::new().await;
    let tokens = setting.tokens_of("alice").await;
    let Setting { clock, idp, provider } = setting;
    let (address, issuer) = (idp.address(), idp.issuer().clone());
    idp.shutdown().await;
    assert_eq!(provider.renew(&tokens).await.unwrap_err().kind(), ProviderErrorKind::Unavailable);
    let started = OpenIdProvider::builder(issuer.as_str(), "devices", http())
        .dangerous_insecure_loopback()
        .with_clock(Arc::new(clock))
        .discover()
        .await;
    assert!(started.unwrap_err().is_transient(), "{address}");
}

#[tokio::test]
async fn r9_a_code_is_valid_once_and_for_its_own_sign_in() {
    let setting = Setting::new().await;
    let request = setting.asks("alice").await;
    let callback = comes_back(&request.url).await;
    let pending = request.pending.clone();
    setting.provider.complete(pending, callback.clone()).await.unwrap();
    let again = setting.provider.complete(request.pending, callback).await.unwrap_err();
    assert_eq!(again.kind(), SignInErrorKind::CodeRefused);

    let (mine, theirs) = (setting.asks("alice").await, setting.asks("mallory").await);
    let mut injected = comes_back(&mine.url).await;
    injected.code = comes_back(&theirs.url).await.code;
    let error = setting.provider.complete(mine.pending, injected).await.unwrap_err();
    assert_eq!(error.kind(), SignInErrorKind::CodeRefused, "PKCE: the code is of another sign-in");
}

#[tokio::test]
async fn signs_out_at_the_provider() {
    let setting = Setting::new().await;
    let (laptop, phone) = (setting.tokens_of("alice").await, setting.tokens_of("alice").await);
    let url = setting.provider.end_session_url(laptop.id_token(), Some("http://127.0.0.1:9/"));
    let response = http().get(url.await.unwrap().unwrap()).send().await.unwrap();
    assert_eq!(response.headers().get(LOCATION).unwrap(), "http://127.0.0.1:9/");
    assert_eq!(setting.fails(&laptop).await, ProviderErrorKind::Refused);
    setting.renewed(&phone).await;
}

#[tokio::test]
async fn a_public_client_signs_in_and_renews() {
    let setting = Setting::new().await;
    let clock = Arc::new(setting.clock.clone());
    let issuer = setting.idp.issuer().as_str();
    let provider = OpenIdProvider::builder(issuer, "another", http())
        .dangerous_insecure_loopback()
        .with_clock(clock)
        .build();
    let setting = Setting { provider: provider.unwrap(), ..setting };
    let tokens = setting.tokens_of("bob").await;
    let renewed = setting.renewed(&tokens).await;
    let token = renewed.refresh_token().unwrap().to_owned().into();
    setting.provider.revoke(&token).await.unwrap();
    assert_eq!(setting.fails(&renewed).await, ProviderErrorKind::Refused);
}
