//! Tokens that are bound to a key (DPoP), at the same provider: a public client in this process.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Router, serve};
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use session_core::clock::{Clock as _, SystemClock};
use session_core::dpop::{DpopKey, ProofRequest};
use session_core::provider::openid::{DefaultHttpClient, OpenIdBuilder, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{
    Keyring, ProviderName, SessionManager, SessionPolicy, TokenResponse, TokenSet, UserId,
};
use session_tower::outgoing::OutgoingClient;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{CurrentSession, Rejection};
use tokio::process::Child;

use crate::browser::Browser;
use crate::signs_in;
use crate::world::{free_ports, start_provider_with, tokens_of};

const DPOP: &str = "DPoP";

/// An application in this process, and its provider.
struct Application {
    site: String,
    issuer: String,
    sessions: SessionManager,
    _provider: Child,
}

impl Application {
    /// Starts both; the provider knows proofs in this way.
    async fn start(proofs: &str, bind: fn(OpenIdBuilder) -> OpenIdBuilder) -> Self {
        let [port, provider_port] = free_ports();
        let site = format!("http://localhost:{port}");
        let issuer = format!("http://127.0.0.1:{provider_port}");
        let provider = start_provider_with(&issuer, &site, proofs).await;
        let okta = OpenIdProvider::builder(&issuer, "bound", DefaultHttpClient::new().unwrap());
        let okta = Arc::new(bind(okta.dangerous_insecure_loopback()).build().unwrap());
        let keyring = Keyring::parse(&Keyring::generate_entry("one").unwrap()).unwrap();
        // Each rejected token may be renewed at once.
        let policy = SessionPolicy::builder().min_renewal_interval(Duration::ZERO).build().unwrap();
        let sessions = SessionManager::builder(MemoryStore::new())
            .policy(policy)
            .keyring(keyring)
            .provider("okta", Arc::clone(&okta))
            .start()
            .await
            .unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let sign_in = OpenIdSignIn::builder(sessions.clone(), &site)
            .dev(listener.local_addr().unwrap())
            .provider(ProviderName::new("okta").unwrap(), okta)
            .build()
            .unwrap();
        let api = OutgoingClient::new(sessions.clone(), DefaultHttpClient::new().unwrap(), &issuer);
        let app = Router::new()
            .route("/", get(async |session: CurrentSession| format!("Hello, {}", session.user())))
            .route("/me", get(me))
            .with_state(api.unwrap())
            .route_service("/login", sign_in.login())
            .route_service("/callback", sign_in.callback())
            .layer(sign_in.session_layer());
        tokio::spawn(async { serve(listener, app).await });
        Self { site, issuer, sessions, _provider: provider }
    }

    /// Returns the tokens of this user's only session.
    async fn tokens_of(&self, user: &str) -> Arc<TokenSet> {
        let user = UserId::new(user).unwrap();
        let listed = self.sessions.list(&user, None).await.unwrap();
        assert_eq!(listed.len(), 1);
        self.sessions.access_token(&user, listed[0].session.id).await.unwrap()
    }

    /// Asks the provider who the user is, with these headers.
    async fn asks(&self, scheme: &str, token: &str, proof: Option<HeaderValue>) -> Response {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.get(format!("{}/me", self.issuer));
        let request = request.header(AUTHORIZATION, format!("{scheme} {token}"));
        let request = proof.into_iter().fold(request, |request, proof| request.header(DPOP, proof));
        request.send().await.unwrap()
    }

    /// Sends a refresh token as one who has stolen it does, and returns the answer's error.
    async fn renews(&self, refresh_token: &str, key: Option<&DpopKey>) -> String {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/token", self.issuer);
        let (grant, client) = (("grant_type", "refresh_token"), ("client_id", "bound"));
        let request = http.post(&url).form(&[grant, client, ("refresh_token", refresh_token)]);
        let uri = url.parse().unwrap();
        let proof = ProofRequest::new(&Method::POST, &uri, SystemClock::new().now());
        let proof = key.map(|key| key.proof(&proof, None).unwrap());
        let request = proof.into_iter().fold(request, |request, proof| request.header(DPOP, proof));
        let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        answer["error"].as_str().unwrap_or("no error").to_owned()
    }

    /// Returns a proof for that question.
    fn proof(&self, tokens: &TokenSet) -> HeaderValue {
        let uri = format!("{}/me", self.issuer).parse().unwrap();
        let request = ProofRequest::new(&Method::GET, &uri, SystemClock::new().now());
        tokens.dpop_proof(&request).unwrap()
    }
}

async fn me(State(api): State<OutgoingClient>, user: CurrentSession) -> Result<Vec<u8>, Rejection> {
    Ok(api.get(&user, "/me").await?.into_body())
}

#[tokio::test]
async fn r11_bound_tokens_serve_their_session_and_nobody_who_has_stolen_them() {
    let application = Application::start("on", OpenIdBuilder::require_dpop).await;
    let (site, issuer) = (&application.site, &application.issuer);
    let ann = Browser::new();
    let home = signs_in(&ann, format!("{site}/login"), "ann").await;
    assert_eq!(home.text, "Hello, ann");
    let me = ann.open(format!("{site}/me")).await;
    assert!(me.text.contains("\"sub\":\"ann\""), "{me:?}");

    let tokens = application.tokens_of("ann").await;
    assert!(tokens.is_sender_constrained());
    let (token, proof) = (tokens.access_token(), application.proof(&tokens));
    assert_eq!(application.asks(DPOP, token, Some(proof.clone())).await.status(), 200);
    let again = application.asks(DPOP, token, Some(proof)).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "a proof is for one request");
    let thief = DpopKey::generate().unwrap();
    let stolen = TokenResponse::dpop(token, thief.clone());
    let stolen = TokenSet::new(stolen, tokens.received_at(), Duration::ZERO);
    let proof = application.proof(&stolen);
    assert_eq!(application.asks(DPOP, token, Some(proof)).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(application.asks("Bearer", token, None).await.status(), StatusCode::UNAUTHORIZED);
    for key in [None, Some(&thief)] {
        let error = application.renews(tokens.refresh_token().unwrap(), key).await;
        assert_eq!(error, "invalid_grant");
    }

    // The session itself goes on, also through renewals.
    for rotated in [1, 2] {
        ann.open(format!("{issuer}/test/forget-access-tokens")).await;
        let me = ann.open(format!("{site}/me")).await;
        assert!(me.text.contains("\"sub\":\"ann\""), "{me:?}");
        assert_eq!(tokens_of(issuer).await["rotated"], rotated);
    }
}

#[tokio::test]
async fn r11_a_provider_that_wants_its_nonce_in_each_proof_gets_it() {
    let application = Application::start("nonce", OpenIdBuilder::require_dpop).await;
    let (site, issuer) = (&application.site, &application.issuer);
    let ann = Browser::new();
    assert_eq!(signs_in(&ann, format!("{site}/login"), "ann").await.text, "Hello, ann");
    let tokens = application.tokens_of("ann").await;
    let without = application.proof(&tokens);
    let refused = application.asks(DPOP, tokens.access_token(), Some(without)).await;
    assert!(refused.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("use_dpop_nonce"));
    for rotated in [0, 1] {
        let me = ann.open(format!("{site}/me")).await;
        assert!(me.text.contains("\"sub\":\"ann\""), "{me:?}");
        assert_eq!(tokens_of(issuer).await["rotated"], rotated);
        ann.open(format!("{issuer}/test/forget-access-tokens")).await;
    }
}

#[tokio::test]
async fn r11_a_provider_that_ignores_proofs_signs_in_only_where_bearer_tokens_are_accepted() {
    let required = Application::start("off", OpenIdBuilder::require_dpop).await;
    let page = signs_in(&Browser::new(), format!("{}/login", required.site), "ann").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(page.text.contains("a token that is not bound to a key"), "{page:?}");
    assert!(required.sessions.list(&UserId::new("ann").unwrap(), None).await.unwrap().is_empty());

    let preferred = Application::start("off", OpenIdBuilder::prefer_dpop).await;
    let ann = Browser::new();
    signs_in(&ann, format!("{}/login", preferred.site), "ann").await;
    assert!(!preferred.tokens_of("ann").await.is_sender_constrained());
    let me = ann.open(format!("{}/me", preferred.site)).await;
    assert!(me.text.contains("\"sub\":\"ann\""), "{me:?}");
}
