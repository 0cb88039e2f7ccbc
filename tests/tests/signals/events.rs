//! Security events by push (RFC 8935): CAEP's session-revoked.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use identity_provider::SigningKey;
use serde_json::{Value, json};
use session_core::event::EventKind;
use session_core::provider::openid::signals::SignalTransmitter;
use session_core::store::EventLog as _;
use session_core::testing::{Fault, Method, sample};
use session_core::{EndReason, ProviderName, Session, TokenResponse};
use session_tower::sign_in::signals::SecurityEventService;

use super::{Answered, ByEmail, Site, cut_off, typed, with};

const AUDIENCE: &str = "https://app.example/events";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

struct Receiver {
    site: Site,
    service: SecurityEventService,
}

impl Receiver {
    async fn new() -> Self {
        let site = Site::new().await;
        let service = site.sign_in.security_events(AUDIENCE);
        Self { site, service }
    }

    /// Claims that are valid now, about a subject.
    fn claims(&self, subject: &Value) -> Value {
        let now = self.site.now();
        json!({
            "iss": self.site.issuer(), "aud": AUDIENCE, "iat": now, "jti": format!("id-{subject}"),
            "sub_id": subject,
            "events": { REVOKED: { "initiating_entity": "admin", "event_timestamp": now } },
        })
    }

    fn signed(&self, claims: &Value) -> String {
        self.site.key.sign(json!({ "typ": "secevent+jwt" }), claims).unwrap()
    }

    async fn push(&self, body: impl Into<Body>) -> Answered {
        let request = typed("application/secevent+jwt", Request::post("/events"));
        Answered::by(self.service.clone(), request.body(body.into()).unwrap()).await
    }

    async fn accepts(&self, claims: &Value) {
        let answered = self.push(self.signed(claims)).await;
        assert_eq!((answered.status, &*answered.text), (StatusCode::ACCEPTED, ""), "{claims}");
    }

    async fn refuses(&self, claims: &Value, code: &str) {
        self.refuses_body(self.signed(claims), code, &claims.to_string()).await;
    }

    /// Sends a body that must be refused with this code, and end nothing.
    async fn refuses_body(&self, body: impl Into<Body>, code: &str, what: &str) {
        let laptop = self.site.sign_in("ann", "sub-1", "sid-1").await;
        let answered = self.push(body).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{what}: {answered:?}");
        assert_eq!(answered.language.as_deref(), Some("en"));
        let json: Value = serde_json::from_str(&answered.text).unwrap();
        assert_eq!(json["err"], code, "{what}: {json}");
        assert!(json["description"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        assert!(self.site.is_live(&laptop).await, "{what}");
        self.site.manager.sign_out(&laptop.user, laptop.id).await.unwrap();
    }

    async fn ended(&self, session: &Session) -> bool {
        !self.site.is_live(session).await
    }
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

#[tokio::test]
async fn b9_a_session_ends_exactly_itself_and_a_subject_all_of_that_issuer() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let phone = site.sign_in("ann", "sub-1", "sid-2").await;
    let tablet = site.sign_in("ann", "sub-1", "sid-3").await;
    let elsewhere = site.sign_in_from("https://other.example", "ann", "sub-1", "sid-1").await;
    let bob = site.sign_in("bob", "sub-2", "sid-4").await;
    let (ann, files) = (sample::user("ann"), sample::provider("mcp:files"));
    let tool = site.manager.connect(&ann, &files, TokenResponse::bearer("at")).await.unwrap();

    receiver.accepts(&receiver.claims(&opaque("sid-1"))).await;
    assert!(receiver.ended(&laptop).await);
    for live in [&phone, &tablet, &elsewhere, &bob, &tool.session] {
        assert!(site.is_live(live).await);
    }
    let last = site.store.events(laptop.id).await.unwrap().pop().unwrap();
    assert_eq!(last.kind, EventKind::Ended(EndReason::ProviderLogout));

    let session = json!({
        "format": "complex", "session": opaque("sid-2"), "user": site.iss_sub("sub-1"),
        "tenant": opaque("t"),
    });
    receiver.accepts(&receiver.claims(&session)).await;
    assert!(receiver.ended(&phone).await && site.is_live(&tablet).await);
    receiver.accepts(&receiver.claims(&site.iss_sub("sub-1"))).await;
    assert!(receiver.ended(&tablet).await);
    for live in [&elsewhere, &bob, &tool.session] {
        assert!(site.is_live(live).await);
    }
}

#[tokio::test]
async fn b9_a_subject_of_another_issuer_or_of_an_unknown_format_is_refused() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let email = json!({ "format": "email", "email": "ann@app.example" });
    for subject in [
        json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "sub-1" }),
        json!({ "format": "aliases", "identifiers": [site.iss_sub("sub-1")] }),
        json!({ "format": "complex", "user": site.iss_sub("sub-1"), "device": opaque("d") }),
        json!({ "format": "complex", "tenant": opaque("t") }),
        json!({ "format": "iss_sub", "iss": site.issuer() }),
        json!({ "id": "sid-1" }),
        json!("sid-1"),
        // No callback of the application names the user.
        email.clone(),
        json!({ "format": "complex", "user": email, "session": opaque("sid-1") }),
    ] {
        receiver.refuses(&receiver.claims(&subject), "invalid_request").await;
    }
}

#[tokio::test]
async fn b9_the_application_names_the_user_of_another_identifier() {
    let mut receiver = Receiver::new().await;
    receiver.service = receiver.service.with_users(ByEmail);
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let elsewhere = site.sign_in_from("https://other.example", "ann", "sub-9", "sid-9").await;
    let email = |email: &str| json!({ "format": "email", "email": email });
    // An event about someone else's user is no error of the transmitter.
    receiver.accepts(&receiver.claims(&email("ann@elsewhere.example"))).await;
    let away = receiver.push(receiver.signed(&receiver.claims(&email("away@app.example")))).await;
    assert_eq!((away.status, away.may_retry), (StatusCode::SERVICE_UNAVAILABLE, true));
    assert!(site.is_live(&laptop).await);
    receiver.accepts(&receiver.claims(&email("ann@app.example"))).await;
    assert!(receiver.ended(&laptop).await && site.is_live(&elsewhere).await);
}

#[tokio::test]
async fn b8_another_issuer_or_recipient_or_a_missing_claim_or_an_old_event_is_refused() {
    let receiver = Receiver::new().await;
    let valid = receiver.claims(&opaque("sid-1"));
    let now = receiver.site.now();
    receiver.refuses(&with(&valid, "iss", json!("https://evil.example")), "invalid_issuer").await;
    receiver.refuses(&with(&valid, "iss", Value::Null), "invalid_issuer").await;
    // The client's own id is the audience of its ID tokens.
    for audience in [json!("app"), json!(["other", "app"]), Value::Null] {
        receiver.refuses(&with(&valid, "aud", audience), "invalid_audience").await;
    }
    for claim in ["iat", "jti", "events", "sub_id"] {
        receiver.refuses(&with(&valid, claim, Value::Null), "invalid_request").await;
    }
    for (claim, value) in [
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
        ("iat", json!("now")),
        ("iat", json!(1e300)),
        ("iat", json!(now + 120)),
        ("iat", json!(now - 24 * 3600 - 60)),
        ("exp", json!(now - 60)),
        ("events", json!({})),
        ("events", json!([REVOKED])),
        ("events", json!({ REVOKED: true })),
    ] {
        receiver.refuses(&with(&valid, claim, value), "invalid_request").await;
    }
    let several = with(&valid, "aud", json!(["other", AUDIENCE]));
    let laptop = receiver.site.sign_in("ann", "sub-1", "sid-1").await;
    receiver.accepts(&several).await;
    assert!(receiver.ended(&laptop).await);
}

#[tokio::test]
async fn b8_a_forged_event_or_another_algorithm_is_refused() {
    let receiver = Receiver::new().await;
    let valid = receiver.claims(&opaque("sid-1"));
    let header = |header: Value| receiver.site.key.sign(header, &valid).unwrap();
    let none = header(json!({ "typ": "secevent+jwt", "alg": "none" }));
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    receiver.refuses_body(unsigned, "invalid_key", "unsigned").await;
    receiver.refuses_body(none, "invalid_key", "none").await;
    for algorithm in ["HS256", "HS512", "RS512", "PS256"] {
        let token = header(json!({ "typ": "secevent+jwt", "alg": algorithm }));
        receiver.refuses_body(token, "invalid_key", algorithm).await;
    }
    let crit = header(json!({ "typ": "secevent+jwt", "crit": ["b64"] }));
    receiver.refuses_body(crit, "invalid_key", "crit").await;
    let other = SigningKey::generate().unwrap();
    let forged = other.sign(json!({ "typ": "secevent+jwt" }), &valid).unwrap();
    receiver.refuses_body(forged, "invalid_key", "another key").await;
    let good = receiver.signed(&valid);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let payload = receiver.signed(&receiver.claims(&opaque("sid-2")));
    let swapped = format!("{head}.{}.{signature}", payload.split('.').nth(1).unwrap());
    receiver.refuses_body(swapped, "invalid_key", "swapped").await;
}

#[tokio::test]
async fn b8_no_token_of_another_type_is_taken_for_an_event() {
    let receiver = Receiver::new().await;
    let valid = receiver.claims(&opaque("sid-1"));
    for header in [
        json!({}),
        json!({ "typ": "JWT" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": "global-token-revocation+jwt" }),
    ] {
        let token = receiver.site.key.sign(header.clone(), &valid).unwrap();
        receiver.refuses_body(token, "invalid_request", &header.to_string()).await;
    }
    let laptop = receiver.site.sign_in("ann", "sub-1", "sid-1").await;
    let written_out = json!({ "typ": "application/SecEvent+JWT" });
    let token = receiver.site.key.sign(written_out, &valid).unwrap();
    assert_eq!(receiver.push(token).await.status, StatusCode::ACCEPTED);
    assert!(receiver.ended(&laptop).await);
}

#[tokio::test]
async fn b8_an_event_once_more_ends_no_session_that_began_later() {
    let receiver = Receiver::new().await;
    let site = &receiver.site;
    let laptop = site.sign_in("ann", "sub-1", "sid-1").await;
    let claims = receiver.claims(&site.iss_sub("sub-1"));
    receiver.accepts(&claims).await;
    assert!(receiver.ended(&laptop).await);
    let soon = site.sign_in("ann", "sub-1", "sid-2").await;
    receiver.accepts(&claims).await;
    assert!(site.is_live(&soon).await, "the process remembers the event");
    // Another process remembers nothing: what began after the event stays.
    site.clock.advance(Duration::from_secs(61));
    let later = site.sign_in("ann", "sub-1", "sid-3").await;
    let there =
        Receiver { service: site.sign_in.security_events(AUDIENCE), site: Site::new().await };
    assert_eq!(there.push(receiver.signed(&claims)).await.status, StatusCode::ACCEPTED);
    assert!(site.is_live(&later).await);
}

#[tokio::test]
async fn b10_what_is_no_event_is_answered_and_ends_nothing() {
    let receiver = Receiver::new().await;
    let valid = receiver.signed(&receiver.claims(&opaque("sid-1")));
    for garbage in ["", ".", "..", "a.b.c", "e30.e30.e30"] {
        let code = if garbage == "e30.e30.e30" { "invalid_issuer" } else { "invalid_request" };
        receiver.refuses_body(garbage, code, garbage).await;
    }
    receiver.refuses_body("x".repeat(20_000), "invalid_request", "a long token").await;
    receiver.refuses_body("x".repeat(100_000), "invalid_request", "a long body").await;
    receiver.refuses_body(vec![0xff; 10], "invalid_request", "no text").await;
    receiver.refuses_body(cut_off(), "invalid_request", "cut off").await;
    let half = valid.get(..valid.len() / 2).unwrap().to_owned();
    receiver.refuses_body(half, "invalid_request", "a half").await;

    let laptop = receiver.site.sign_in("ann", "sub-1", "sid-1").await;
    for kind in ["application/json", "application/jwt", "text/plain"] {
        let request = typed(kind, Request::post("/events")).body(Body::from(valid.clone()));
        let answered = Answered::by(receiver.service.clone(), request.unwrap()).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{kind}");
    }
    let get = Request::get("/events").body(Body::empty()).unwrap();
    let answered = Answered::by(receiver.service.clone(), get).await;
    assert_eq!(answered.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(receiver.site.is_live(&laptop).await);
    // The event by which a transmitter verifies its stream, and one that concerns no session.
    for event in [VERIFICATION, "https://schemas.openid.net/secevent/caep/event-type/device-x"] {
        let events = json!({ event: { "state": "s" } });
        receiver.accepts(&with(&receiver.claims(&opaque("sid-1")), "events", events)).await;
    }
    assert!(receiver.site.is_live(&laptop).await);
}

#[tokio::test]
async fn b10_an_event_that_an_outage_prevented_is_carried_out_when_it_comes_again() {
    let receiver = Receiver::new().await;
    let laptop = receiver.site.sign_in("ann", "sub-1", "sid-1").await;
    let token = receiver.signed(&receiver.claims(&opaque("sid-1")));
    receiver.site.store.set(Method::End, Fault::AWAY);
    let answered = receiver.push(token.clone()).await;
    assert_eq!((answered.status, answered.may_retry), (StatusCode::SERVICE_UNAVAILABLE, true));
    receiver.site.store.clear(Method::End);
    assert_eq!(receiver.push(token).await.status, StatusCode::ACCEPTED);
    assert!(receiver.ended(&laptop).await);
    let Receiver { site, service } = receiver;
    let unknown_key = SigningKey::generate().unwrap();
    let claims = json!({ "iss": site.issuer() });
    let token = unknown_key.sign(json!({ "typ": "secevent+jwt" }), &claims).unwrap();
    site.idp.shutdown().await;
    site.clock.advance(Duration::from_secs(60));
    let request = typed("application/secevent+jwt", Request::post("/events"));
    let answered = Answered::by(service, request.body(Body::from(token)).unwrap()).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "keys cannot be fetched");
}

#[tokio::test]
async fn b8_a_transmitter_of_its_own_is_known_by_its_issuer_and_keys() {
    let mut receiver = Receiver::new().await;
    let keys = receiver.site.openid.endpoints().await.unwrap().keys.to_string();
    let (okta, audience) = (ProviderName::new("okta").unwrap(), "urn:stream");
    let transmitter = SignalTransmitter::with_keys(
        &receiver.site.openid,
        "https://events.example",
        &keys,
        audience,
    );
    let transmitter = transmitter.unwrap();
    let other = SignalTransmitter::of_provider(&receiver.site.openid, audience);
    let misspelt = ProviderName::new("otka").unwrap();
    assert!(receiver.service.clone().with_transmitter(&misspelt, other).is_err());
    receiver.service = receiver.service.with_transmitter(&okta, transmitter).unwrap();
    let laptop = receiver.site.sign_in("ann", "sub-1", "sid-1").await;
    let claims = receiver.claims(&receiver.site.iss_sub("sub-1"));
    let claims = with(&claims, "iss", json!("https://events.example"));
    receiver.refuses(&claims, "invalid_audience").await;
    let claims = with(&claims, "aud", json!(audience));
    let confused = json!({ "typ": "secevent+jwt", "alg": "HS256" });
    let token = receiver.site.key.sign(confused, &claims).unwrap();
    receiver.refuses_body(token, "invalid_key", "HS256").await;
    // Its subjects are the provider's all the same.
    let own = json!({ "format": "iss_sub", "iss": "https://events.example", "sub": "sub-1" });
    receiver.refuses(&with(&claims, "sub_id", own), "invalid_request").await;
    assert!(receiver.site.is_live(&laptop).await);
    receiver.accepts(&claims).await;
    assert!(receiver.ended(&laptop).await);
    let http = SignalTransmitter::with_keys(&receiver.site.openid, "x", "http://a.example/", "a");
    assert!(http.is_err());
}
