//! Calls to other services: the token, the second try, the origins, and what is kept back.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use session_core::EndReason;
use session_core::manager::{SignedIn, TokenErrorKind};
use session_core::provider::ProviderErrorKind;
use session_core::testing::{RenewalScript, sample};
use session_tower::outgoing::{OnBehalfOf, OutgoingClient, OutgoingError, OutgoingLayer, Repeat};
use session_tower::{CurrentSession, Rejection, SessionCookie};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::site::{Body, Site, cookie, request};

const API: &str = "https://api.example";

/// A resource server that takes some tokens, and notes what it is sent.
#[derive(Clone, Default)]
struct Resource {
    /// The only token that is accepted; every one if `None`.
    accepted: Arc<Mutex<Option<String>>>,
    challenge: Option<&'static str>,
    requests: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    has_session: bool,
}

impl Resource {
    fn accepting(token: &str) -> Self {
        Self { accepted: Arc::new(Mutex::new(Some(token.to_owned()))), ..Self::default() }
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let has_session = request.extensions().get::<CurrentSession>().is_some()
            || request.extensions().get::<OnBehalfOf>().is_some();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (method, headers) = (parts.method, parts.headers);
        let token = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        self.requests.lock().unwrap().push(Seen { method, headers, body, has_session });
        let accepted = self.accepted.lock().unwrap().clone();
        let is_accepted =
            accepted.is_none_or(|accepted| token == Some(format!("Bearer {accepted}")));
        let mut response = Response::new(Full::from("answer"));
        if !is_accepted {
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
            if let Some(challenge) = self.challenge {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
            }
        }
        response
    }

    fn tokens(&self) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        requests.iter().map(|seen| seen.headers.get(AUTHORIZATION).map(text)).collect()
    }

    async fn call<R: Repeat<Body> + Clone + Send + Sync + 'static>(
        &self,
        layer: &OutgoingLayer<R>,
        request: Request<Body>,
    ) -> Result<Response<Body>, OutgoingError<Infallible>> {
        let resource = self.clone();
        let client = service_fn(move |request| {
            let resource = resource.clone();
            async move { Ok::<_, Infallible>(resource.answer(request).await) }
        });
        layer.layer(client).oneshot(request).await
    }
}

fn layer(site: &Site) -> OutgoingLayer {
    OutgoingLayer::new(site.manager.clone()).allow(API).unwrap()
}

fn on_behalf_of(signed_in: &SignedIn, url: &str) -> Request<Body> {
    let caller = OnBehalfOf::session(&signed_in.session);
    Request::post(url).extension(caller).body(Full::from("question")).unwrap()
}

/// Returns the `CurrentSession` of a request with this sign-in's cookie.
pub(crate) async fn current(site: &Site, signed_in: &SignedIn) -> CurrentSession {
    let found = Arc::new(Mutex::new(None));
    let inner = found.clone();
    let handler = service_fn(move |request: Request<Body>| {
        *inner.lock().unwrap() = request.extensions().get::<CurrentSession>().cloned();
        async { Ok::<_, Infallible>(Response::new(Body::default())) }
    });
    let request = request(&[&cookie(&signed_in.secret)]);
    site.layer().layer(handler).oneshot(request).await.unwrap();
    found.lock().unwrap().take().unwrap()
}

fn bearer(tokens: &[&str]) -> Vec<Option<String>> {
    tokens.iter().map(|token| Some(format!("Bearer {token}"))).collect()
}

#[tokio::test]
async fn a_call_has_the_token_of_its_session_and_nothing_of_ours() {
    let site = Site::new().await;
    let (laptop, phone) = (site.sign_in("ann").await, site.sign_in("ann").await);
    let resource = Resource::default();
    let mut request = on_behalf_of(&phone, API);
    let secret = laptop.secret.expose().to_owned();
    let cookies = format!("theme=dark; __Host-session={secret}; lang=de");
    request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
    request.headers_mut().insert(AUTHORIZATION, "Bearer of-the-browser".parse().unwrap());
    resource.call(&layer(&site), request).await.unwrap();
    assert_eq!(resource.tokens(), bearer(&["at-2"]));
    let seen = resource.requests.lock().unwrap()[0].clone();
    assert!(seen.headers[AUTHORIZATION].is_sensitive());
    assert_eq!(seen.headers[COOKIE], "theme=dark; lang=de");
    assert!(!seen.has_session, "the session stays here");
    assert_eq!((seen.method, seen.body), (Method::POST, Bytes::from("question")));
}

#[tokio::test]
async fn a_cookie_of_another_name_is_kept_back_too_and_alone_leaves_no_header() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let cookie = SessionCookie::builder().name("sid").build().unwrap();
    let resource = Resource::default();
    let mut request = Request::get("https://elsewhere.example").body(Body::default()).unwrap();
    let pair = format!("sid={}", laptop.secret.expose());
    request.headers_mut().insert(COOKIE, pair.parse().unwrap());
    resource.call(&layer(&site).cookie(cookie), request).await.unwrap();
    let seen = resource.requests.lock().unwrap()[0].clone();
    assert_eq!(seen.headers.get(COOKIE), None);
}

#[tokio::test]
async fn a_request_without_a_session_is_passed_on_as_it_is() {
    let site = Site::new().await;
    let resource = Resource::default();
    let request = Request::get("https://elsewhere.example").body(Body::default()).unwrap();
    resource.call(&layer(&site), request).await.unwrap();
    assert_eq!(resource.tokens(), [None]);
}

#[tokio::test]
async fn a_token_goes_to_allowed_origins_only() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let resource = Resource::default();
    for other in [
        "http://api.example/",
        "https://api.example.evil.example/",
        "https://api.example@evil.example/",
        "https://evil.example/",
        "https://api.example:444/",
    ] {
        let error = resource.call(&layer(&site), on_behalf_of(&laptop, other)).await.unwrap_err();
        assert!(matches!(error, OutgoingError::NotAllowed { .. }), "{other}: {error}");
        assert!(!error.to_string().contains("at-1"));
    }
    assert_eq!(resource.tokens(), []);
    let passing = layer(&site).pass_others();
    resource.call(&passing, on_behalf_of(&laptop, "https://evil.example/")).await.unwrap();
    assert_eq!(resource.tokens(), [None], "passed on without a token");
}

#[tokio::test]
async fn an_expired_token_is_renewed_first() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    site.advance(300);
    let resource = Resource::accepting("at-2");
    let answer = resource.call(&layer(&site), on_behalf_of(&laptop, API)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(resource.tokens(), bearer(&["at-2"]));
    assert_eq!(site.provider.renewals(), 1);
}

#[tokio::test]
async fn a_current_session_works_like_a_named_one_also_when_its_request_lasts_long() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let current = current(&site, &laptop).await;
    let resource = Resource::default();
    let call = || async {
        let request = Request::get(API).extension(current.clone()).body(Body::default()).unwrap();
        resource.call(&layer(&site), request).await.unwrap()
    };
    call().await;
    site.advance(400);
    call().await;
    assert_eq!(resource.tokens(), bearer(&["at-1", "at-2"]));
}

#[tokio::test]
async fn a_rejected_token_is_renewed_and_the_request_repeated_once() {
    for challenge in [None, Some(r#"Bearer error="invalid_token""#)] {
        let site = Site::new().await;
        let laptop = site.sign_in("ann").await;
        let resource = Resource { challenge, ..Resource::accepting("at-2") };
        let layer = layer(&site).repeat_cloned();
        let answer = resource.call(&layer, on_behalf_of(&laptop, API)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(resource.tokens(), bearer(&["at-1", "at-2"]));
        let requests = resource.requests.lock().unwrap();
        assert_eq!(requests[0].body, requests[1].body);
        assert_eq!(requests[0].method, requests[1].method);
    }
}

#[tokio::test]
async fn a_token_that_is_rejected_again_is_an_answer_and_not_a_loop() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let resource = Resource::accepting("none");
    let layer = layer(&site).repeat_cloned();
    let answer = resource.call(&layer, on_behalf_of(&laptop, API)).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(resource.tokens(), bearer(&["at-1", "at-2"]));
    // A renewal at each call would be one at each call of every user.
    let error = resource.call(&layer, on_behalf_of(&laptop, API)).await.unwrap_err();
    assert!(error.is_transient() && !error.needs_sign_in(), "{error}");
    assert_eq!(site.provider.renewals(), 1);
}

#[tokio::test]
async fn what_a_new_token_does_not_mend_is_not_repeated() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let challenge = Some(r#"Bearer error="insufficient_user_authentication", max_age="60""#);
    let resource = Resource { challenge, ..Resource::accepting("none") };
    let layer = layer(&site).repeat_cloned();
    let answer = resource.call(&layer, on_behalf_of(&laptop, API)).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
    assert_eq!((resource.tokens().len(), site.provider.renewals()), (1, 0));
}

#[tokio::test]
async fn a_body_that_cannot_be_repeated_is_sent_once_and_the_next_call_succeeds() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let resource = Resource::accepting("at-2");
    let layer = layer(&site);
    let answer = resource.call(&layer, on_behalf_of(&laptop, API)).await.unwrap();
    assert_eq!(answer.status(), 401);
    let answer = resource.call(&layer, on_behalf_of(&laptop, API)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(resource.tokens(), bearer(&["at-1", "at-2"]));
}

#[tokio::test]
async fn a_thousand_rejected_calls_share_one_renewal() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let resource = Resource::accepting("at-2");
    let layer = layer(&site).repeat_cloned();
    let calls = (0..1000).map(|_| {
        let (resource, layer) = (resource.clone(), layer.clone());
        let request = on_behalf_of(&laptop, API);
        tokio::spawn(async move { resource.call(&layer, request).await.unwrap().status() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(site.provider.renewals(), 1);
}

#[tokio::test]
async fn errors_tell_sign_in_again_from_try_later() {
    let site = Site::new().await;
    let (laptop, phone) = (site.sign_in("ann").await, site.sign_in("ann").await);
    let resource = Resource::default();
    site.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let ended = resource.call(&layer(&site), on_behalf_of(&laptop, API)).await.unwrap_err();
    let kind = ended.token_error().unwrap().kind();
    assert_eq!(kind, TokenErrorKind::Ended(EndReason::SignedOut));
    assert!(ended.needs_sign_in() && !ended.is_transient());

    site.advance(300);
    site.provider
        .script(RenewalScript::Fail(ProviderErrorKind::Unavailable, Some(Duration::from_secs(7))));
    let away = resource.call(&layer(&site), on_behalf_of(&phone, API)).await.unwrap_err();
    assert!(away.is_transient() && !away.needs_sign_in(), "{away}");
    assert!(away.retry_after().is_some());
    assert_eq!(resource.tokens(), [], "nothing was sent");
}

#[tokio::test]
async fn a_tool_clients_connection_calls_without_a_browser() {
    let site = Site::new().await;
    let laptop = site.sign_in("ann").await;
    let (ann, files) = (sample::user("ann"), sample::provider("mcp:files"));
    let tokens = site.provider.sign_in();
    let connected = site.manager.connect(&ann, &files, tokens).await.unwrap();
    site.manager.sign_out(&ann, laptop.session.id).await.unwrap();
    site.advance(3600);
    let resource = Resource::default();
    let found = site.manager.find_connection(&ann, &files).await.unwrap().unwrap();
    assert_eq!(found.id, connected.session.id);
    let caller = OnBehalfOf::session(&found);
    let request = Request::get(API).extension(caller).body(Body::default()).unwrap();
    resource.call(&layer(&site), request).await.unwrap();
    assert_eq!(resource.tokens(), bearer(&["at-3"]), "renewed, though the browser is signed out");
}

#[tokio::test]
async fn a_client_of_one_service_answers_what_its_handler_could_not_get() {
    let site = Site::new().await;
    let answering = |status: u16| {
        move |request: Request<Vec<u8>>| async move {
            let uri = request.uri();
            assert_eq!((uri.scheme_str(), uri.host()), (Some("https"), Some("api.example")));
            assert!(uri.path().ends_with("/today") && uri.query() == Some("tz=utc"), "{uri}");
            assert!(!request.headers().contains_key(COOKIE));
            let mut response = Response::new(request.headers()[AUTHORIZATION].as_bytes().to_vec());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            match status {
                0..500 => Ok(response),
                _ => Err(std::io::Error::other("connection refused")),
            }
        }
    };
    let client =
        |status| OutgoingClient::new(site.manager.clone(), answering(status), API).unwrap();
    let signed_in = site.sign_in("ann").await;
    let session = current(&site, &signed_in).await;
    let get = async |status| client(status).get(&session, "/today?tz=utc").await;
    assert_eq!(get(200).await.unwrap().into_body(), b"Bearer at-1");
    assert_eq!(get(404).await.unwrap().status(), 404, "an answer of the service is no error");
    for elsewhere in ["//evil.example/today?tz=utc", "https://evil.example/today?tz=utc"] {
        assert!(client(200).get(&session, elsewhere).await.is_ok(), "sent to the one service");
    }
    let no_path = client(200).get(&session, "to day").await.unwrap_err();
    assert_eq!(Rejection::from(no_path), Rejection::BadGateway);
    let error = get(503).await.unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "connection refused");
    assert_eq!(Rejection::from(error).status(), 502);
    let (user, id) = (session.user().clone(), session.id());
    site.manager.end_one(&user, id).await.unwrap();
    site.advance(3600);
    let over = Rejection::from(get(200).await.unwrap_err());
    assert_eq!(over, Rejection::Ended(EndReason::RevokedByUser), "the request's own session");
}

#[cfg(not(feature = "dpop"))]
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_not_sent_without_the_feature() {
    let site = Site::new().await;
    let tokens = site.provider.sign_in().with_token_type(Some("DPoP".to_owned()));
    let login =
        session_core::manager::SignIn::new(&sample::user("ann"), &sample::provider("okta"), tokens);
    let signed_in = site.manager.sign_in(login).await.unwrap();
    let resource = Resource::default();
    let error = resource.call(&layer(&site), on_behalf_of(&signed_in, API)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("feature `dpop`"), "{cause}");
    assert!(resource.tokens().is_empty());
}
