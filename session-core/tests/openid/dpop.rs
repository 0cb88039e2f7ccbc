//! Tokens that are bound to a key: at the sign-in, at renewals, and at a provider that wants nonces.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, Uri};
use openidconnect::HttpResponse;
use proptest::prelude::*;
use serde_json::{Value, json};
use session_core::clock::Clock;
use session_core::dpop::{DpopKey, ProofError, ProofRequest};
use session_core::manager::SignIn;
use session_core::provider::openid::{
    AuthorizationOptions, ExchangeTarget, OpenIdBuilder, OpenIdProvider, SignInError,
    SignInErrorKind, SignInOutcome,
};
use session_core::provider::{Provider, ProviderErrorKind, RevocationScope};
use session_core::store::memory::MemoryStore;
use session_core::testing::sample;
use session_core::token::Resource;
use session_core::{Keyring, Session, SessionManager, TokenResponse, TokenSet};

use crate::everything_shown;
use crate::issuer::{Issuer, id_token, json, ok, with_header};
use crate::proof::{Proof, hash};
use crate::sign_in::{CALLBACK, Visit};

const HOUR: Duration = Duration::from_secs(3600);
const TOKEN: &str = "https://id.example/token";
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A token response of this type, with or without a refresh token.
fn tokens(kind: &str, access: &str, refresh: Option<&str>) -> Value {
    json!({ "access_token": access, "token_type": kind, "expires_in": 300, "refresh_token": refresh })
}

async fn sign_in_at(
    issuer: &Issuer,
    builder: OpenIdBuilder,
    kind: &str,
) -> Result<SignInOutcome, SignInError> {
    let provider = builder.discover().await.unwrap();
    let visit = Visit::with(issuer.clone(), provider, AuthorizationOptions::new(CALLBACK)).await;
    let mut answer = tokens(kind, "at-1", Some("rt-1"));
    answer["id_token"] = id_token("k1", &visit.claims(), "at-1").into();
    issuer.script("/token", ok(&answer));
    visit.returns(&visit.query()).await
}

/// Signs a user in, and returns the tokens and the provider.
async fn signed_in(issuer: &Issuer) -> (TokenSet, OpenIdProvider) {
    let outcome = sign_in_at(issuer, issuer.builder().require_dpop(), "DPoP").await.unwrap();
    let held = TokenSet::new(outcome.tokens, issuer.clock.now(), HOUR);
    (held, issuer.builder().require_dpop().build().unwrap())
}

/// Renews the tokens at a provider that answers like this.
async fn renewed(
    issuer: &Issuer,
    provider: &OpenIdProvider,
    held: &TokenSet,
    answer: &Value,
) -> TokenSet {
    issuer.script("/token", ok(answer));
    let response = provider.renew(held).await.unwrap();
    held.renewed(response, issuer.clock.now(), HOUR)
}

/// Returns the proofs of the requests to the token endpoint.
fn proofs(issuer: &Issuer) -> Vec<Proof> {
    let proof = |headers: &http::HeaderMap| {
        let values: Vec<_> = headers.get_all("dpop").iter().collect();
        assert_eq!(values.len(), 1, "one proof: {headers:?}");
        assert!(values[0].is_sensitive());
        Proof::read(values[0].to_str().unwrap()).expect("a proof that its key has signed")
    };
    issuer.requests_to("/token").iter().map(|request| proof(&request.headers)).collect()
}

/// Returns the proof for a call to a service with the access token.
fn call(issuer: &Issuer, held: &TokenSet) -> Proof {
    let uri: Uri = "https://api.example/me?a=b".parse().unwrap();
    let proof = held.dpop_proof(&ProofRequest::new(&Method::GET, &uri, issuer.clock.now()));
    let proof = Proof::read(proof.unwrap().to_str().unwrap()).unwrap();
    proof.assert_for("GET", "https://api.example/me", issuer.clock.now());
    assert_eq!(proof.claims["ath"], hash(held.access_token()));
    proof
}

fn wants_nonce(nonce: &str) -> HttpResponse {
    with_header(json(400, &json!({"error": "use_dpop_nonce"})), NONCE, nonce)
}

#[tokio::test]
async fn r11_each_sign_in_has_a_key_of_its_own_which_its_calls_prove() {
    let issuer = Issuer::new();
    issuer.clock.advance(Duration::from_millis(1_700_000_000_999));
    let (laptop, _) = signed_in(&issuer).await;
    let (phone, _) = signed_in(&issuer).await;
    assert!(laptop.is_sender_constrained());
    let at_token_endpoint = proofs(&issuer);
    let mut jtis = BTreeSet::new();
    for proof in &at_token_endpoint {
        jtis.insert(proof.assert_for("POST", TOKEN, issuer.clock.now()));
        assert!(proof.claims.get("ath").is_none() && proof.claims.get("nonce").is_none());
    }
    let calls = [call(&issuer, &laptop), call(&issuer, &phone), call(&issuer, &phone)];
    jtis.extend(calls.iter().map(|proof| proof.claims["jti"].as_str().unwrap().to_owned()));
    assert_eq!(jtis.len(), 5, "no proof is used twice");
    assert_eq!(
        [&calls[0].jkt, &calls[1].jkt],
        [&at_token_endpoint[0].jkt, &at_token_endpoint[1].jkt]
    );
    assert_ne!(calls[0].jkt, calls[1].jkt);
    let grants: Vec<_> =
        issuer.requests_to("/token").iter().map(|r| r.form["grant_type"].clone()).collect();
    assert_eq!(grants, ["authorization_code"; 2]);
}

#[tokio::test]
async fn r11_a_proof_names_the_endpoint_without_its_query() {
    let issuer = Issuer::new();
    let endpoint = format!("{TOKEN}?tenant=7");
    let issuer = issuer.with_document("token_endpoint", endpoint.clone().into());
    signed_in(&issuer).await;
    assert_eq!(issuer.requests_to("/token")[0].uri.to_string(), endpoint);
    proofs(&issuer)[0].assert_for("POST", TOKEN, issuer.clock.now());
}

#[tokio::test]
async fn r11_the_key_is_kept_at_renewals_and_in_the_row_also_under_another_sealing_key() {
    let issuer = Issuer::new();
    let (mut held, provider) = signed_in(&issuer).await;
    let jkt = call(&issuer, &held).jkt;
    let session = sample::Login::of("ann", "okta").session;
    let Session { id, user, provider: name, .. } = &session;
    for (round, refresh) in [Some("rt-2"), None, Some("rt-3")].into_iter().enumerate() {
        let keyring = sample::keyring_of(&["new", "old"][round % 2..]);
        let sealed = held.seal(&keyring, *id, user, name).unwrap();
        held = TokenSet::open(&sealed, &keyring, *id, user, name).unwrap();
        assert_eq!(call(&issuer, &held).jkt, jkt, "as it was sealed");
        let answer = tokens("dpop", &format!("at-{round}"), refresh);
        held = renewed(&issuer, &provider, &held, &answer).await;
        assert_eq!(call(&issuer, &held).jkt, jkt, "round {round}");
    }
    let files = Resource::new("https://files.example/").unwrap();
    issuer.script("/token", ok(&tokens("DPoP", "at-files", Some("rt-4"))));
    let response = provider.renew_for(&held, &files).await.unwrap();
    let held = held.with_resource_token(&files, response, issuer.clock.now(), HOUR);
    let sealed = held.seal(sample::keyring(), *id, user, name).unwrap();
    let held = TokenSet::open(&sealed, sample::keyring(), *id, user, name).unwrap();
    let token = held.resource_token(&files).unwrap();
    let uri: Uri = "https://files.example/a".parse().unwrap();
    let request = ProofRequest::new(&Method::PUT, &uri, issuer.clock.now()).with_nonce(Some("n"));
    let proof = Proof::read(token.dpop_proof(&request).unwrap().to_str().unwrap()).unwrap();
    assert!(token.is_sender_constrained());
    assert_eq!((&proof.jkt, &proof.claims["ath"]), (&jkt, &hash("at-files").into()));
    assert_eq!(proof.claims["nonce"], "n");
    renewed(&issuer, &provider, &held, &tokens("DPoP", "at", None)).await;
    let sent = proofs(&issuer);
    assert_eq!(sent.len(), 6);
    assert!(sent.iter().all(|proof| proof.jkt == jkt), "{sent:?}");
}

#[tokio::test]
async fn r11_each_token_stays_bound_to_the_key_that_it_came_with() {
    let issuer = Issuer::new();
    let (held, provider) = signed_in(&issuer).await;
    let first = call(&issuer, &held).jkt;
    for (refresh, is_new) in [(None, false), (Some("rt-2"), true)] {
        // A step-up: the exchange of a new code, with a new key.
        let key = DpopKey::generate().unwrap();
        let second = key.thumbprint().unwrap();
        let response = TokenResponse::dpop("at-2", key);
        let response = refresh.into_iter().fold(response, TokenResponse::with_refresh_token);
        let stepped_up = held.renewed(response, issuer.clock.now(), HOUR);
        assert_eq!(call(&issuer, &stepped_up).jkt, second);
        let after = renewed(&issuer, &provider, &stepped_up, &tokens("DPoP", "at-3", None)).await;
        let expected = if is_new { &second } else { &first };
        assert_eq!(&proofs(&issuer).last().unwrap().jkt, expected, "that of the refresh token");
        assert_eq!(&call(&issuer, &after).jkt, expected);
    }
}

#[tokio::test]
async fn r11_an_exchange_proves_the_key_of_the_access_token_and_its_token_has_the_same() {
    let issuer = Issuer::new();
    let (held, _) = signed_in(&issuer).await;
    let builder = issuer.builder().require_dpop().with_token_exchange(ExchangeTarget::Resource);
    let (provider, files) =
        (builder.build().unwrap(), Resource::new("https://f.example/").unwrap());
    issuer.script("/token", ok(&tokens("DPoP", "at-files", None)));
    let response = provider.renew_for(&held, &files).await.unwrap();
    let held = held.with_resource_token(&files, response, issuer.clock.now(), HOUR);
    let uri: Uri = "https://f.example/a".parse().unwrap();
    let request = ProofRequest::new(&Method::GET, &uri, issuer.clock.now());
    let proof = held.resource_token(&files).unwrap().dpop_proof(&request).unwrap();
    let proof = Proof::read(proof.to_str().unwrap()).unwrap();
    let sent = proofs(&issuer);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().chain([&proof]).all(|proof| proof.jkt == sent[0].jkt), "{sent:?}");

    issuer.script("/token", ok(&tokens("Bearer", "at-other", None)));
    let error = provider.renew_for(&held, &files).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Malformed, "an unbound token is refused");
}

#[tokio::test]
async fn r11_a_refresh_token_that_comes_back_with_an_unbound_token_stays_the_session_s() {
    let issuer = Issuer::new();
    let (held, _) = signed_in(&issuer).await;
    let builder = issuer.builder().require_dpop().with_revocation_scope(RevocationScope::Token);
    let provider = builder.build().unwrap();
    for (refresh, revocations) in [("rt-1", 0), ("rt-2", 1)] {
        issuer.script("/revoke", ok(&json!({})));
        issuer.script("/token", ok(&tokens("Bearer", "at-2", Some(refresh))));
        assert_eq!(provider.renew(&held).await.unwrap_err().kind(), ProviderErrorKind::Malformed);
        assert_eq!(issuer.requests_to("/revoke").len(), revocations, "{refresh}");
    }
}

#[tokio::test]
async fn r11_a_nonce_that_the_provider_wants_is_sent_with_the_next_proof_and_remembered() {
    let issuer = Issuer::new();
    issuer.script("/token", wants_nonce("n-1"));
    let (held, provider) = signed_in(&issuer).await;
    issuer.script("/token", wants_nonce("n-2"));
    let accepted = ok(&tokens("DPoP", "at-2", Some("rt-2")));
    issuer.script("/token", with_header(accepted, NONCE, "n-3"));
    let response = provider.renew(&held).await.unwrap();
    let held = held.renewed(response, issuer.clock.now(), HOUR);
    renewed(&issuer, &provider, &held, &tokens("DPoP", "at-3", None)).await;

    let sent = proofs(&issuer);
    let nonces: Vec<_> = sent.iter().map(|proof| proof.claims["nonce"].as_str()).collect();
    // The sign-in and the renewals are here those of two processes.
    assert_eq!(nonces, [None, Some("n-1"), None, Some("n-2"), Some("n-3")]);
    let jtis: BTreeSet<_> = sent.iter().map(|proof| proof.claims["jti"].to_string()).collect();
    assert_eq!(jtis.len(), sent.len(), "a repeated request has a proof of its own");
    let codes: Vec<_> = issuer.requests_to("/token").iter().map(|r| r.form.clone()).collect();
    assert_eq!(codes[0], codes[1], "the same request");
}

#[tokio::test]
async fn r6_a_refresh_token_is_sent_again_for_a_nonce_alone_and_once() {
    let refused = |error: &str| with_header(json(400, &json!({ "error": error })), NONCE, "n");
    for (answers, sent, kind) in [
        (vec![wants_nonce("n-1"), wants_nonce("n-2")], 2, ProviderErrorKind::Unavailable),
        (vec![wants_nonce("n-1"), refused("invalid_grant")], 2, ProviderErrorKind::Refused),
        (vec![refused("invalid_grant")], 1, ProviderErrorKind::Refused),
        (vec![refused("invalid_dpop_proof")], 1, ProviderErrorKind::Unavailable),
        (vec![json(400, &json!({"error": "use_dpop_nonce"}))], 1, ProviderErrorKind::Unavailable),
        (vec![json(503, &json!({"error": "use_dpop_nonce"}))], 1, ProviderErrorKind::Unavailable),
        (
            vec![with_header(json(400, &json!(["use_dpop_nonce"])), NONCE, "n")],
            1,
            ProviderErrorKind::Rejected,
        ),
    ] {
        let issuer = Issuer::new();
        let (held, provider) = signed_in(&issuer).await;
        for answer in answers {
            issuer.script("/token", answer);
        }
        let error = provider.renew(&held).await.unwrap_err();
        assert_eq!((error.kind(), issuer.requests_to("/token").len() - 1), (kind, sent));
    }
    let issuer = Issuer::new();
    let (held, provider) = signed_in(&issuer).await;
    issuer.script("/token", wants_nonce("n-1"));
    issuer.script("/token", wants_nonce("n-2"));
    let shown = everything_shown(&provider.renew(&held).await.unwrap_err());
    assert!(shown.contains("with use_dpop_nonce") && !shown.contains("rt-1"), "{shown}");
}

#[tokio::test]
async fn r11_tokens_that_are_not_bound_are_refused_where_that_is_required() {
    for (scope, revoked) in [(RevocationScope::Unknown, 0), (RevocationScope::Token, 1)] {
        let issuer = Issuer::new();
        issuer.script("/revoke", ok(&json!({})));
        let builder = || issuer.builder().require_dpop().with_revocation_scope(scope);
        let error = sign_in_at(&issuer, builder(), "Bearer").await.unwrap_err();
        assert_eq!(error.kind(), SignInErrorKind::Provider);
        let shown = everything_shown(&error);
        assert!(shown.contains("prefer_dpop") && !shown.contains("at-1"), "{shown}");
        assert_eq!(issuer.requests_to("/revoke").len(), revoked, "{scope:?}: F38");

        let (held, _) = signed_in(&issuer).await;
        issuer.script("/token", ok(&tokens("Bearer", "at-2", Some("rt-2"))));
        let error = builder().build().unwrap().renew(&held).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Malformed, "the session is kept");
    }
}

#[tokio::test]
async fn r11_bearer_tokens_are_accepted_where_bound_ones_are_preferred() {
    let issuer = Issuer::new();
    let builder = || issuer.builder().prefer_dpop();
    let outcome = sign_in_at(&issuer, builder(), "Bearer").await.unwrap();
    let held = TokenSet::new(outcome.tokens, issuer.clock.now(), HOUR);
    assert!(!held.is_sender_constrained());
    let uri: Uri = "https://api.example/".parse().unwrap();
    let request = ProofRequest::new(&Method::GET, &uri, issuer.clock.now());
    assert!(
        matches!(held.dpop_proof(&request), Err(ProofError::NoKey)),
        "no proof for a bearer token"
    );

    // The provider begins to bind tokens.
    let provider = builder().build().unwrap();
    let held = renewed(&issuer, &provider, &held, &tokens("DPoP", "at-2", None)).await;
    let sent = proofs(&issuer);
    assert_eq!(call(&issuer, &held).jkt, sent[1].jkt);
    assert_eq!(sent[0].jkt, sent[1].jkt);
}

#[tokio::test]
async fn sessions_go_on_as_they_began_when_dpop_is_switched_on_or_off() {
    let issuer = Issuer::new();
    let bearer = TokenResponse::bearer("at").with_refresh_token("rt");
    let before = TokenSet::new(bearer, issuer.clock.now(), HOUR);
    let on = issuer.builder().require_dpop().build().unwrap();
    let after = renewed(&issuer, &on, &before, &tokens("Bearer", "at-2", None)).await;
    assert!(!after.is_sender_constrained());
    assert!(!issuer.requests_to("/token")[0].headers.contains_key("dpop"));

    let issuer = Issuer::new();
    let (held, _) = signed_in(&issuer).await;
    let off = issuer.builder().build().unwrap();
    let after = renewed(&issuer, &off, &held, &tokens("DPoP", "at-2", None)).await;
    assert_eq!(call(&issuer, &after).jkt, proofs(&issuer)[1].jkt);
}

#[test]
fn no_proof_is_made_without_a_key_or_for_half_an_address() {
    let clock = session_core::testing::FakeClock::new();
    let key = DpopKey::generate().unwrap();
    let held = TokenSet::new(TokenResponse::dpop("at", key.clone()), clock.now(), HOUR);
    let path: Uri = "/me".parse().unwrap();
    let request = ProofRequest::new(&Method::GET, &path, clock.now());
    assert!(matches!(held.dpop_proof(&request), Err(ProofError::Address)));
    let alone =
        TokenResponse::from_json(br#"{"access_token": "at", "token_type": "DPoP"}"#).unwrap();
    let uri: Uri = "https://api.example/".parse().unwrap();
    let request = ProofRequest::new(&Method::GET, &uri, clock.now());
    let unbound = TokenSet::new(alone.clone(), clock.now(), HOUR);
    assert!(matches!(unbound.dpop_proof(&request), Err(ProofError::NoKey)));
    let named = TokenSet::new(alone.with_dpop_key(key), clock.now(), HOUR);
    assert!(named.dpop_proof(&request).is_ok());
}

/// Starts a node on these sessions.
async fn node(issuer: &Issuer, sessions: &MemoryStore, keys: &str) -> SessionManager {
    let provider = Arc::new(issuer.builder().require_dpop().build().unwrap());
    SessionManager::builder(sessions.clone())
        .clock(issuer.clock.clone())
        .keyring(Keyring::parse(keys).unwrap())
        .provider("*", provider)
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn r11_all_nodes_renew_a_session_with_its_one_key() {
    let issuer = Issuer::new();
    let sessions = MemoryStore::new();
    let [old, new] = ["old", "new"].map(|id| Keyring::generate_entry(id).unwrap().to_string());
    let first = node(&issuer, &sessions, &old).await;
    let outcome = sign_in_at(&issuer, issuer.builder().require_dpop(), "DPoP").await.unwrap();
    let (ann, okta) = (sample::user("ann"), sample::provider("okta"));
    let device = first.sign_in(SignIn::new(&ann, &okta, outcome.tokens)).await.unwrap();

    let second = node(&issuer, &sessions, &format!("{new},{old}")).await;
    assert_eq!(second.reseal().await.unwrap().resealed, 1);
    let third = node(&issuer, &sessions, &new).await;
    for (number, node) in [&second, &third, &second].into_iter().enumerate() {
        issuer.clock.advance(Duration::from_secs(301));
        let refresh = format!("rt-{number}");
        issuer.script("/token", ok(&tokens("DPoP", &format!("at-{number}"), Some(&refresh))));
        let held = node.access_token(&ann, device.session.id).await.unwrap();
        assert_eq!(held.access_token(), format!("at-{number}"));
        assert_eq!(call(&issuer, &held).jkt, proofs(&issuer)[0].jkt);
    }
    let sent = proofs(&issuer);
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|proof| proof.jkt == sent[0].jkt), "{sent:?}");
}

#[test]
fn r8_neither_debug_nor_json_shows_a_key() {
    let key = DpopKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), "DpopKey(..)");
    let response = TokenResponse::dpop("at", key).with_refresh_token("rt");
    let held = TokenSet::new(response.clone(), session_core::Timestamp::from_millis(0), HOUR);
    let files = Resource::new("https://files.example/").unwrap();
    let held = held.with_resource_token(&files, response.clone(), held.received_at(), HOUR);
    let sealed = sample::sealed(&held, &sample::Login::of("ann", "okta").session);
    let shown = format!("{response:?}{held:?}{:?}{sealed:?}", held.resource_token(&files));
    // A key has 43 characters of base64url.
    let is_text = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let longest = shown.split(|c| !is_text(c)).map(str::len).max().unwrap();
    assert!(longest < 40, "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_proof_says_the_method_the_address_without_its_query_the_token_and_the_nonce(
        method in "[A-Z]{1,8}",
        path in "(/[a-zA-Z0-9%2f._~-]{0,6}){0,4}",
        query in prop::option::of("[a-z=&?/:@]{0,12}"),
        token in prop::option::of("[!-~]{1,40}"),
        nonce in prop::option::of("[!#-\\[\\]-~]{1,40}"),
        seconds in 0..4_000_000_000_i64,
    ) {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let uri: Uri = format!("https://api.example:8443{path}{query}").parse().unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let now = session_core::Timestamp::from_millis(seconds * 1000 + 999);
        let request = ProofRequest::new(&method, &uri, now).with_nonce(nonce.as_deref());
        let key = DpopKey::generate().unwrap();
        let proof = key.proof(&request, token.as_deref()).unwrap();
        let proof = Proof::read(proof.to_str().unwrap()).unwrap();
        let path = if path.is_empty() { "/" } else { &path };
        let mut expected = json!({
            "jti": proof.claims["jti"], "htm": method.as_str(), "iat": seconds,
            "htu": format!("https://api.example:8443{path}"),
        });
        if let Some(token) = token {
            expected["ath"] = hash(&token).into();
        }
        if let Some(nonce) = nonce {
            expected["nonce"] = nonce.into();
        }
        prop_assert_eq!(proof.claims, expected);
        prop_assert_eq!(proof.jkt, key.thumbprint().unwrap());
    }
}
