//! Signals of a provider beside back-channel logout: which are refused, and what an accepted one ends.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod events;
mod revocation;

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use identity_provider::{RunningProvider, SigningKey};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use session_core::clock::Clock as _;
use session_core::manager::SignIn;
use session_core::provider::openid::OpenIdProvider;
use session_core::provider::openid::signals::SubjectIdentifier;
use session_core::session::ProviderIdentity;
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, FaultyStore, sample};
use session_core::{ProviderName, Session, SessionManager, TokenResponse, UserId};
use session_tests::identity::{provider, signing_key};
use session_tests::manager::keyring;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::sign_in::signals::{UserLookupError, UserOfSignal};

/// A site with one provider, and its users.
struct Site {
    idp: RunningProvider,
    key: SigningKey,
    clock: FakeClock,
    store: FaultyStore,
    manager: SessionManager,
    openid: Arc<OpenIdProvider>,
    sign_in: OpenIdSignIn,
}

/// What a service has answered.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    text: String,
    may_retry: bool,
    language: Option<String>,
}

impl Site {
    async fn new() -> Self {
        let idp = provider("http://127.0.0.1").await;
        let clock = FakeClock::new();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let openid = OpenIdProvider::builder(idp.issuer().as_str(), "app", http)
            .dangerous_insecure_loopback()
            .with_clock(Arc::new(clock.clone()))
            .with_client_secret("app-secret".to_owned().into());
        let openid = Arc::new(openid.build().unwrap());
        let store = FaultyStore::new(MemoryStore::new());
        let manager = SessionManager::builder(store.clone())
            .keyring(keyring())
            .clock(clock.clone())
            .provider("*", Arc::clone(&openid))
            .start()
            .await
            .unwrap();
        let okta = ProviderName::new("okta").unwrap();
        let sign_in = OpenIdSignIn::builder(manager.clone(), "https://app.example")
            .provider(okta, Arc::clone(&openid))
            .build()
            .unwrap();
        Self { idp, key: signing_key(), clock, store, manager, openid, sign_in }
    }

    fn issuer(&self) -> String {
        self.idp.issuer().as_str().to_owned()
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis() / 1000
    }

    async fn sign_in(&self, user: &str, subject: &str, sid: &str) -> Session {
        self.sign_in_from(&self.issuer(), user, subject, sid).await
    }

    async fn sign_in_from(&self, issuer: &str, user: &str, subject: &str, sid: &str) -> Session {
        let identity = ProviderIdentity {
            issuer: Some(issuer.to_owned()),
            subject: Some(sample::subject(subject)),
            sid: Some(sid.to_owned()),
            account: None,
        };
        let tokens = TokenResponse::bearer("at");
        let login = SignIn::new(&sample::user(user), &sample::provider("okta"), tokens);
        self.manager.sign_in(login.identity(identity)).await.unwrap().session
    }

    async fn is_live(&self, session: &Session) -> bool {
        let listed = self.manager.list(&session.user, None).await.unwrap();
        listed.iter().any(|one| one.session.id == session.id)
    }

    fn iss_sub(&self, subject: &str) -> Value {
        json!({ "format": "iss_sub", "iss": self.issuer(), "sub": subject })
    }
}

impl Answered {
    async fn by<S>(service: S, request: Request<Body>) -> Self
    where
        S: tower::Service<
                Request<Body>,
                Response = axum::http::Response<http_body_util::Full<axum::body::Bytes>>,
                Error = std::convert::Infallible,
            >,
    {
        let answer = tower::ServiceExt::oneshot(service, request).await.unwrap();
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        let (status, may_retry) = (answer.status(), answer.headers().contains_key(RETRY_AFTER));
        let language = answer.headers().get(CONTENT_LANGUAGE);
        let language = language.map(|language| language.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Self { status, text, may_retry, language }
    }
}

/// The body of a sender that hangs up.
fn cut_off() -> Body {
    let parts = [Ok("eyJ"), Err(std::io::Error::other("the connection was closed"))];
    Body::from_stream(futures_util::stream::iter(parts))
}

/// The claims with one of them changed, or removed by `null`.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    match value {
        Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
        value => changed[name] = value,
    }
    changed
}

/// An application that knows its users by their address at `app.example`.
struct ByEmail;

#[async_trait]
impl UserOfSignal for ByEmail {
    async fn user(
        &self,
        provider: &ProviderName,
        identifier: &SubjectIdentifier,
    ) -> Result<Option<UserId>, UserLookupError> {
        assert_eq!(provider.as_str(), "okta");
        match identifier {
            SubjectIdentifier::Email { email } if email == "away@app.example" => {
                Err(UserLookupError::new("the directory is away"))
            }
            SubjectIdentifier::Email { email } => {
                let user = email.strip_suffix("@app.example");
                Ok(user.map(|user| UserId::new(user).unwrap()))
            }
            _ => Ok(None),
        }
    }
}

fn typed(kind: &str, request: axum::http::request::Builder) -> axum::http::request::Builder {
    request.header(CONTENT_TYPE, kind)
}
