//! Global Token Revocation.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, StatusCode};
use identity_provider::SigningKey;
use serde_json::{Value, json};
use session_core::testing::{Fault, Method, sample};
use session_core::{ProviderName, TokenResponse};
use session_tower::sign_in::signals::GlobalTokenRevocationService;

use super::{Answered, ByEmail, Site, cut_off, typed, with};

const ENDPOINT: &str = "https://app.example/global-token-revocation";
const SECRET: &str = "f5641763544a7b24b08e4f74045";

struct Receiver {
    site: Site,
    service: GlobalTokenRevocationService,
}

impl Receiver {
    async fn new() -> Self {
        let site = Site::new().await;
        let okta = ProviderName::new("okta").unwrap();
        let service = site.sign_in.global_token_revocation(ENDPOINT);
        Self { site, service: service.with_bearer_token(okta, SECRET).with_users(ByEmail) }
    }

    /// Claims of a caller that are valid now.
    fn claims(&self) -> Value {
        let now = self.site.now();
        json!({
            "iss": self.site.issuer(), "sub": "app", "aud": ENDPOINT, "jti": "id-1",
            "iat": now, "exp": now + 300,
        })
    }

    fn signed(&self, claims: &Value) -> String {
        self.site.key.sign(json!({ "typ": "JWT" }), claims).unwrap()
    }

    async fn ask(&self, authorization: &str, body: impl Into<Body>) -> Answered {
        let request = typed("application/json", Request::post("/global-token-revocation"));
        let request = request.header(AUTHORIZATION, authorization).body(body.into()).unwrap();
        Answered::by(self.service.clone(), request).await
    }

    async fn revoke(&self, authorization: &str, subject: &Value) -> StatusCode {
        self.ask(authorization, json!({ "sub_id": subject }).to_string()).await.status
    }

    /// Asks with an authorization that must be refused, and end nothing.
    async fn keeps_out(&self, authorization: &str, what: &str) {
        let laptop = self.site.sign_in("ann", "sub-1", "sid-1").await;
        let status = self.revoke(authorization, &self.site.iss_sub("sub-1")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
        assert!(self.site.is_live(&laptop).await, "{what}");
        self.site.manager.sign_out(&laptop.user, laptop.id).await.unwrap();
    }
}

#[tokio::test]
async fn b12_everything_of_a_user_at_the_provider_ends() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let phone = site.sign_in("ann", "sub-1", "sid-2").await;
    let elsewhere = site.sign_in_from("https://other.example", "ann", "sub-1", "sid-1").await;
    let bob = site.sign_in("bob", "sub-2", "sid-4").await;
    let (ann, files) = (sample::user("ann"), sample::provider("mcp:files"));
    let tool = site.manager.connect(&ann, &files, TokenResponse::bearer("at")).await.unwrap();
    let authorization = format!("Bearer {}", receiver.signed(&receiver.claims()));
    let status = receiver.revoke(&authorization, &site.iss_sub("sub-1")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(!site.is_live(&laptop).await && !site.is_live(&phone).await);
    for live in [&elsewhere, &bob, &tool.session] {
        assert!(site.is_live(live).await);
    }
    // By its address, and by a bearer token.
    let email = json!({ "format": "email", "email": "bob@app.example" });
    let authorization = format!("Bearer {SECRET}");
    assert_eq!(receiver.revoke(&authorization, &email).await, StatusCode::NO_CONTENT);
    assert!(!site.is_live(&bob).await);
    assert_eq!(receiver.revoke(&authorization, &email).await, StatusCode::NO_CONTENT, "once more");
}

#[tokio::test]
async fn b12_unknown_users_and_malformed_requests_are_told_apart() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let authorization = format!("Bearer {SECRET}");
    let stranger = json!({ "format": "email", "email": "ann@elsewhere.example" });
    assert_eq!(receiver.revoke(&authorization, &stranger).await, StatusCode::NOT_FOUND);
    let opaque = json!({ "format": "opaque", "id": "sid-1" });
    assert_eq!(receiver.revoke(&authorization, &opaque).await, StatusCode::NOT_FOUND);
    let away = json!({ "format": "email", "email": "away@app.example" });
    assert_eq!(receiver.revoke(&authorization, &away).await, StatusCode::SERVICE_UNAVAILABLE);
    for subject in [
        json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "sub-1" }),
        json!({ "format": "iss_sub", "iss": site.issuer() }),
        json!({ "format": "aliases", "identifiers": [] }),
        json!("sub-1"),
        Value::Null,
    ] {
        let status = receiver.revoke(&authorization, &subject).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{subject}");
    }
    let bodies = [
        Body::empty(),
        Body::from("{"),
        Body::from(r#"{"sub": "sub-1"}"#),
        Body::from("x".repeat(100_000)),
        cut_off(),
    ];
    for body in bodies {
        assert_eq!(receiver.ask(&authorization, body).await.status, StatusCode::BAD_REQUEST);
    }
    let get = Request::get("/global-token-revocation").body(Body::empty()).unwrap();
    let answered = Answered::by(receiver.service.clone(), get).await;
    assert_eq!(answered.status, StatusCode::METHOD_NOT_ALLOWED);
    // Without a callback of the application no address is supported.
    let plain = Receiver {
        service: site
            .sign_in
            .global_token_revocation(ENDPOINT)
            .with_bearer_token(ProviderName::new("okta").unwrap(), SECRET),
        site: Site::new().await,
    };
    let email = json!({ "format": "email", "email": "ann@app.example" });
    assert_eq!(plain.revoke(&authorization, &email).await, StatusCode::BAD_REQUEST);
    assert!(site.is_live(&laptop).await);
}

#[tokio::test]
async fn b11_who_is_not_authenticated_ends_nothing() {
    let receiver = Receiver::new().await;
    for (authorization, what) in [
        ("Bearer", "no token"),
        ("Bearer ", "an empty token"),
        ("Bearer f5641763544a7b24b08e4f74044", "another token"),
        ("Bearer f5641763544a7b24b08e4f7404", "a shorter token"),
        ("Basic f5641763544a7b24b08e4f74045", "another scheme"),
        ("f5641763544a7b24b08e4f74045", "no scheme"),
    ] {
        receiver.keeps_out(authorization, what).await;
    }
    let request = typed("application/json", Request::post("/global-token-revocation"));
    let body = json!({ "sub_id": receiver.site.iss_sub("sub-1") }).to_string();
    let request = request.body(Body::from(body)).unwrap();
    let answered = Answered::by(receiver.service.clone(), request).await;
    assert_eq!(answered.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn b11_a_forged_or_old_token_or_one_for_another_address_is_refused() {
    let receiver = Receiver::new().await;
    let (valid, now) = (receiver.claims(), receiver.site.now());
    for (claim, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        // What ID tokens and security events have.
        ("aud", json!("app")),
        ("aud", json!(["app", ENDPOINT])),
        ("aud", json!(format!("{ENDPOINT}?tenant=1"))),
        ("aud", Value::Null),
        ("jti", Value::Null),
        ("iat", Value::Null),
        ("exp", Value::Null),
        ("exp", json!(now - 61)),
        ("iat", json!(now + 120)),
        ("iat", json!(now - 700)),
        ("nonce", json!("n")),
        ("events", json!({})),
    ] {
        let token = receiver.signed(&with(&valid, claim, value.clone()));
        receiver.keeps_out(&format!("Bearer {token}"), &format!("{claim} {value}")).await;
    }
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "PS256" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": "secevent+jwt" }),
        json!({ "typ": "at+jwt" }),
    ] {
        let token = receiver.site.key.sign(header.clone(), &valid).unwrap();
        receiver.keeps_out(&format!("Bearer {token}"), &header.to_string()).await;
    }
    let forged = SigningKey::generate().unwrap().sign(json!({}), &valid).unwrap();
    receiver.keeps_out(&format!("Bearer {forged}"), "another key").await;
}

#[tokio::test]
async fn b11_a_token_is_accepted_once_and_ends_no_later_session() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let authorization = format!("Bearer {}", receiver.signed(&receiver.claims()));
    let ann = site.iss_sub("sub-1");
    assert_eq!(receiver.revoke(&authorization, &ann).await, StatusCode::NO_CONTENT);
    assert!(!site.is_live(&laptop).await);
    receiver.keeps_out(&authorization, "once more").await;
    // At another process, which does not know it.
    site.clock.advance(Duration::from_secs(61));
    let later = site.sign_in("ann", "sub-1", "sid-2").await;
    let there = Receiver {
        service: site.sign_in.global_token_revocation(ENDPOINT),
        site: Site::new().await,
    };
    assert_eq!(there.revoke(&authorization, &ann).await, StatusCode::NO_CONTENT);
    assert!(site.is_live(&later).await);
}

#[tokio::test]
async fn b12_an_outage_is_no_refusal() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    site.store.set(Method::End, Fault::AWAY);
    let (authorization, ann) = (format!("Bearer {SECRET}"), site.iss_sub("sub-1"));
    let status = receiver.revoke(&authorization, &ann).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    site.store.clear(Method::End);
    assert_eq!(receiver.revoke(&authorization, &ann).await, StatusCode::NO_CONTENT);
    assert!(!site.is_live(&laptop).await);
}

#[tokio::test]
async fn b12_a_provider_repeats_its_request_after_an_outage() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let (ann, claims) = (site.iss_sub("sub-1"), receiver.claims());
    let authorization = format!("Bearer {}", receiver.signed(&claims));
    site.store.set(Method::End, Fault::AWAY);
    let status = receiver.revoke(&authorization, &ann).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    site.store.clear(Method::End);
    assert_eq!(receiver.revoke(&authorization, &ann).await, StatusCode::NO_CONTENT);
    assert!(!site.is_live(&laptop).await);
    receiver.keeps_out(&authorization, "once it was carried out").await;
}
