//! Connections to tool servers, as the MCP specification (revision 2026-07-28) asks.

mod discovery;
mod network;

use std::collections::HashMap;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use openidconnect::url::Url;
use serde_json::json;
use session_core::clock::Clock as _;
use session_core::provider::openid::{Callback, SignInErrorKind};
use session_core::provider::tool_server::{ConnectionRequest, PendingConnection, ToolServer};
use session_core::provider::{Provider, ProviderError, ProviderErrorKind};
use session_core::{TokenResponse, TokenSet};
use sha2::{Digest as _, Sha256};

use crate::everything_shown;
use crate::issuer::{answer, json as json_answer, ok};
use network::{
    CALLBACK, ISSUER, Network, Noted, SECRET, SERVER_METADATA, TOOLS, TOOLS_METADATA,
    server_metadata, tools_metadata, with,
};

const TOKEN: &str = "https://id.example/tenant/token";
const HOUR: Duration = Duration::from_secs(3600);

fn query_of(request: &ConnectionRequest) -> HashMap<String, String> {
    Url::parse(&request.url).unwrap().query_pairs().into_owned().collect()
}

fn callback(request: &ConnectionRequest) -> Callback {
    let state = request.pending.state();
    Callback::from_query(&format!("code=the-code&state={state}&iss={ISSUER}"))
}

fn tokens() -> serde_json::Value {
    json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt-1"})
}

#[tokio::test]
async fn r10_a_connection_has_pkce_and_the_resource_in_each_request() {
    let network = Network::new();
    let tools = network.tools();
    let request = tools.connection_request().await.unwrap();
    assert_eq!(network.addresses(), [TOOLS, TOOLS_METADATA, SERVER_METADATA]);
    assert!(request.url.starts_with("https://id.example/tenant/authorize?"), "{}", request.url);
    let query = query_of(&request);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("resource", TOOLS),
        ("scope", "files:read"),
        ("code_challenge_method", "S256"),
        ("state", request.pending.state()),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
    assert!(!query.contains_key("nonce"), "no ID token is asked for");

    network.issue(&tokens());
    let callback = callback(&request);
    let response = tools.complete_connection(request.pending, callback).await.unwrap();
    let form = &network.forms_to(TOKEN)[0];
    let verifier = Sha256::digest(form["code_verifier"].as_bytes());
    assert_eq!(Base64UrlUnpadded::encode_string(&verifier), query["code_challenge"]);
    assert_eq!((&*form["code"], &*form["resource"]), ("the-code", TOOLS));
    assert_eq!(form["redirect_uri"], CALLBACK);

    let held = TokenSet::new(response, network.clock.now(), HOUR);
    let renewed = tools.renew(&held).await.unwrap();
    assert!(renewed.has_refresh_token());
    let form = &network.forms_to(TOKEN)[1];
    assert_eq!((&*form["refresh_token"], &*form["resource"]), ("rt-1", TOOLS));
    let revoke = "https://id.example/tenant/revoke";
    network.put(revoke, answer(200, ""));
    tools.revoke(&"rt-1".to_owned().into()).await.unwrap();
    tools.revoke_access_token(&"at-1".to_owned().into()).await.unwrap();
    let revoked: Vec<_> =
        network.forms_to(revoke).iter().map(|form| form["token"].clone()).collect();
    assert_eq!(revoked, ["rt-1", "at-1"]);
    assert!(network.has_asked_only(&["files.example", "id.example"]));
}

/// Completes a connection with a changed callback or record, and returns how it is refused, and how
/// many requests reached the token endpoint.
async fn refused(
    network: &Network,
    tools: &ToolServer,
    change: impl FnOnce(&mut Callback, &mut PendingConnection),
) -> (SignInErrorKind, usize) {
    let request = tools.connection_request().await.unwrap();
    let (mut callback, mut pending) = (callback(&request), request.pending);
    change(&mut callback, &mut pending);
    let error = tools.complete_connection(pending, callback).await.unwrap_err();
    assert!(!everything_shown(&error).contains("evil"), "{error:?}");
    (error.kind(), network.forms_to(TOKEN).len())
}

#[tokio::test]
async fn r9_a_callback_of_another_request_or_issuer_sends_the_code_nowhere() {
    let network = Network::new();
    let tools = network.tools();
    let of_another = tools.connection_request().await.unwrap().pending;
    let of_another = of_another.state().to_owned();
    let kind = |change| refused(&network, &tools, change);
    type Change = Box<dyn FnOnce(&mut Callback, &mut PendingConnection)>;
    let evil = || Some("https://evil.example".to_owned());
    let cases: [(Change, SignInErrorKind); 7] = [
        (Box::new(|callback, _| callback.state = None), SignInErrorKind::State),
        (Box::new(|callback, _| callback.state = Some(of_another)), SignInErrorKind::State),
        (Box::new(move |callback, _| callback.iss = evil()), SignInErrorKind::Issuer),
        // The metadata announce that there is one (RFC 9207, section 2.4).
        (Box::new(|callback, _| callback.iss = None), SignInErrorKind::Issuer),
        // Nor is a denial believed that another issuer may have written.
        (
            Box::new(move |callback, _| {
                (callback.iss, callback.code) = (evil(), None);
                callback.error = Some("evil".to_owned());
            }),
            SignInErrorKind::Issuer,
        ),
        (
            Box::new(|callback, _| {
                (callback.error, callback.code) = (Some("evil".to_owned()), None);
            }),
            SignInErrorKind::Denied,
        ),
        (Box::new(|callback, _| callback.code = None), SignInErrorKind::MissingCode),
    ];
    for (change, expected) in cases {
        assert_eq!(kind(change).await, (expected, 0));
    }
    let clock = network.clock.clone();
    let late = move |_: &mut Callback, _: &mut PendingConnection| clock.advance(HOUR);
    assert_eq!(refused(&network, &tools, late).await, (SignInErrorKind::Expired, 0));
}

#[tokio::test]
async fn r9_the_record_of_another_tool_server_or_issuer_is_refused() {
    let network = Network::new();
    let tools = network.tools();
    let request = tools.connection_request().await.unwrap();
    // The same tool server once it has another authorization server: the code is not sent there.
    let moved = ToolServer::builder(TOOLS, "https://evil.example", network.client());
    let mail = ToolServer::builder("https://mail.example/mcp", ISSUER, network.client());
    for (builder, expected) in [(moved, SignInErrorKind::Issuer), (mail, SignInErrorKind::State)] {
        let other = builder
            .with_redirect_uri(CALLBACK)
            .with_registration(session_core::provider::tool_server::RegisteredClient::new("app"))
            .with_clock(std::sync::Arc::new(network.clock.clone()))
            .build()
            .unwrap();
        let completed =
            other.complete_connection(request.pending.clone(), callback(&request)).await;
        assert_eq!(completed.unwrap_err().kind(), expected);
    }
    assert!(network.forms_to(TOKEN).is_empty());
}

#[tokio::test]
async fn r7_a_code_or_refresh_token_that_is_no_longer_valid_is_told_from_trouble() {
    let network = Network::new();
    let tools = network.tools();
    let error = |status, code| json_answer(status, &json!({ "error": code }));
    let held = TokenResponse::bearer("at-1").with_refresh_token("rt-1");
    let held = TokenSet::new(held, network.clock.now(), HOUR);
    for (page, at_callback, at_renewal) in [
        (error(400, "invalid_grant"), SignInErrorKind::CodeRefused, ProviderErrorKind::Refused),
        (error(401, "invalid_client"), SignInErrorKind::Provider, ProviderErrorKind::Misconfigured),
        (error(400, "invalid_target"), SignInErrorKind::Provider, ProviderErrorKind::Rejected),
        (error(503, "invalid_grant"), SignInErrorKind::Provider, ProviderErrorKind::Unavailable),
    ] {
        network.put(TOKEN, page);
        let request = tools.connection_request().await.unwrap();
        let callback = callback(&request);
        let completed = tools.complete_connection(request.pending, callback).await;
        assert_eq!(completed.unwrap_err().kind(), at_callback);
        assert_eq!(tools.renew(&held).await.unwrap_err().kind(), at_renewal);
    }
    let none = TokenSet::new(TokenResponse::bearer("at-1"), network.clock.now(), HOUR);
    assert_eq!(tools.renew(&none).await.unwrap_err().kind(), ProviderErrorKind::Unsupported);
}

#[tokio::test]
async fn r10_a_client_is_registered_once_and_at_the_named_issuer_alone() {
    let network = Network::new();
    let registered = || {
        let client = session_core::provider::tool_server::RegisteredClient::new("dynamic");
        Ok(client.with_secret(SECRET.to_owned().into()))
    };
    let noted = Noted { network: network.clone(), outcome: registered };
    let tools = network.builder().with_registration(noted).build().unwrap();
    // A tool server that is taken over asks for the client at an issuer of its own.
    let evil = "https://evil.example";
    let theirs = with(tools_metadata(), "authorization_servers", json!([evil]));
    network.put(TOOLS_METADATA, theirs);
    network.put(
        "https://evil.example/.well-known/oauth-authorization-server",
        with(server_metadata(), "issuer", json!(evil)),
    );
    let error = tools.connection_request().await.unwrap_err();
    assert_eq!(error.field(), Some("authorization_servers"));
    assert!(network.registrations().is_empty() && network.has_asked_only(&["files.example"]));

    network.put(TOOLS_METADATA, ok(&tools_metadata()));
    for _ in 0..2 {
        let request = tools.connection_request().await.unwrap();
        assert_eq!(query_of(&request)["client_id"], "dynamic");
        network.clock.advance(25 * HOUR);
    }
    assert_eq!(network.registrations(), [(ISSUER.to_owned(), CALLBACK.to_owned())]);

    // Later, what the tool server says leads a renewal nowhere else.
    network.put(TOOLS_METADATA, with(tools_metadata(), "authorization_servers", json!([evil])));
    network.issue(&tokens());
    let held = TokenResponse::bearer("at-1").with_refresh_token("rt-1");
    tools.renew(&TokenSet::new(held, network.clock.now(), HOUR)).await.unwrap();
    assert!(network.has_asked_only(&["files.example", "id.example"]));
}

#[tokio::test]
async fn f7_a_registration_that_fails_ends_no_connection() {
    let held = TokenResponse::bearer("at-1").with_refresh_token("rt-1");
    for (outcome, expected, is_transient) in [
        (ProviderErrorKind::Refused, ProviderErrorKind::Misconfigured, false),
        (ProviderErrorKind::Unavailable, ProviderErrorKind::Unavailable, true),
    ] {
        let network = Network::new();
        let outcome: fn() -> _ = match outcome {
            ProviderErrorKind::Refused => || Err(ProviderError::new(ProviderErrorKind::Refused)),
            _ => || Err(ProviderError::new(ProviderErrorKind::Unavailable)),
        };
        let noted = Noted { network: network.clone(), outcome };
        let tools = network.builder().with_registration(noted).build().unwrap();
        assert_eq!(tools.connection_request().await.unwrap_err().is_transient(), is_transient);
        network.clock.advance(HOUR);
        let held = TokenSet::new(held.clone(), network.clock.now(), HOUR);
        assert_eq!(tools.renew(&held).await.unwrap_err().kind(), expected);
        assert_eq!(network.registrations().len(), 2, "a failure is not kept");
    }
}

#[tokio::test]
async fn r8_no_debug_shows_a_secret() {
    let network = Network::new();
    let tools = network.tools();
    let request = tools.connection_request().await.unwrap();
    let client = session_core::provider::tool_server::RegisteredClient::new("app");
    let client = client.with_secret(SECRET.to_owned().into());
    let shown = format!("{:?} {tools:?} {request:?} {client:?}", network.builder());
    assert!(shown.contains(ISSUER) && !shown.contains(SECRET), "{shown}");
    assert!(!shown.contains(request.pending.state()), "{shown}");
    let kept = serde_json::to_string(&request.pending).unwrap();
    let kept: PendingConnection = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept.state(), request.pending.state());
}
