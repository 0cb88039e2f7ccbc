//! The access token of a request (F2, F10, renewal).

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use session_core::provider::ProviderErrorKind;
use session_core::testing::RenewalScript;
use session_tower::{CurrentSession, EndedSession, ProblemDetails, Rejection};
use tower::{Layer, service_fn};

use crate::site::{Body, Site, SiteService, cookie, send, spawn, until};

/// Answers with a fresh access token or its problem, and with the user in `x-user`.
fn tool(site: &Site) -> impl SiteService {
    let manager = site.manager.clone();
    site.layer().layer(service_fn(move |request: Request<Body>| {
        let manager = manager.clone();
        async move {
            if let Some(ended) = request.extensions().get::<EndedSession>() {
                return Ok(ProblemDetails::of(&Rejection::Ended(ended.reason)));
            }
            let current = request.extensions().get::<CurrentSession>().unwrap();
            let mut response = match current.fresh_tokens(&manager).await {
                Ok(tokens) => Response::new(Body::from(tokens.access_token().to_owned())),
                Err(rejection) => ProblemDetails::of(&rejection),
            };
            let user = current.user().as_str().parse().unwrap();
            response.headers_mut().insert("x-user", user);
            Ok::<_, Infallible>(response)
        }
    }))
}

/// Answers with the access token that the request came with, or with the error's text.
async fn token_at_hand(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let current = request.extensions().get::<CurrentSession>().unwrap();
    let text = match current.access_token() {
        Ok(token) => token.to_owned(),
        Err(error) => error.to_string(),
    };
    Ok(Response::new(Full::<Bytes>::from(text)))
}

#[tokio::test]
async fn an_expired_token_stalls_no_route_while_the_provider_hangs() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    site.advance(301);
    site.provider.answers().close();
    let services = (site.service(), site.layer().layer(service_fn(token_at_hand)));
    // First from the store, then from the cache; the clock stands still.
    for _ in 0..2 {
        assert_eq!(send(&services.0, &[&ann]).await.text, "ann");
        let text = send(&services.1, &[&ann]).await.text;
        assert_eq!(text, "the access token has expired: wait for a new one");
    }
    site.provider.answers().until_held(1).await;
    site.provider.answers().open();
    until(|| site.provider.renewals() == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    // The renewal ran beside the requests.
    assert_eq!(send(&services.1, &[&ann]).await.text, "at-2");
    assert_eq!(site.provider.renewals(), 1);
}

#[tokio::test]
async fn with_the_provider_down_requests_that_need_no_token_cost_no_query() {
    use session_core::testing::Method;

    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    site.advance(301);
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    until(|| site.provider.renewals() == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    site.store.reset_calls();
    for _ in 0..50 {
        assert_eq!(send(&service, &[&ann]).await.text, "ann");
    }
    assert_eq!((site.store.calls(Method::Find), site.store.total_calls()), (0, 0));
}

#[tokio::test]
async fn a_layer_that_requires_a_fresh_token_waits_in_front_and_rejects_without_one() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let layer = site.layer().require_fresh_token();
    let service = layer.layer(service_fn(token_at_hand));
    assert_eq!(send(&service, &[&ann]).await.text, "at-1");
    site.advance(301);
    assert_eq!(send(&service, &[&ann]).await.text, "at-2");
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    site.advance(301);
    let answer = send(&service, &[&ann]).await;
    assert_eq!((answer.status.as_u16(), answer.keeps_cookie()), (503, true));
    assert!(answer.headers.contains_key("retry-after"));
    // A request without a session is none of its business.
    let pages = site.layer().require_fresh_token().layer(service_fn(crate::site::show_user));
    assert_eq!(send(&pages, &[]).await.text, "anonymous");
    // The refusal of the provider ends the session, and is told.
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Refused, None));
    site.advance(600);
    let strict = site.layer().require_session().require_fresh_token();
    let answer = send(&strict.layer(service_fn(token_at_hand)), &[&ann]).await;
    assert_eq!((answer.reason().as_str(), answer.clears_cookie()), ("renewal_refused", true));
}

#[tokio::test]
async fn a_request_whose_token_is_still_valid_never_waits_for_a_renewal() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = tool(&site);
    site.provider.requests().close();
    assert_eq!(send(&service, &[&ann]).await.text, "at-1");
    // A renewal is due and the provider does not answer: requests go on, cached or not.
    site.advance(295);
    assert_eq!(send(&service, &[&ann]).await.text, "at-1");
    assert_eq!(send(&service, &[&ann]).await.text, "at-1");
    site.provider.requests().until_held(1).await;
    site.provider.requests().open();
    until(|| site.provider.renewals() == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(send(&service, &[&ann]).await.text, "at-2");
    assert_eq!(site.provider.renewals(), 1);
}

#[tokio::test]
async fn f2_a_hundred_requests_at_expiry_wait_for_one_renewal() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = tool(&site);
    site.advance(301);
    site.provider.answers().close();
    let requests: Vec<_> = (0..100).map(|_| spawn(&service, &ann)).collect();
    site.provider.answers().until_held(1).await;
    site.provider.answers().open();
    for request in requests {
        assert_eq!(request.await.unwrap().text, "at-2");
    }
    assert_eq!(send(&service, &[&ann]).await.text, "at-2");
    assert_eq!(site.provider.renewals(), 1);
}

#[tokio::test]
async fn with_the_provider_down_requests_keep_their_session_and_tools_get_503() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let (service, required) = (tool(&site), site.require_session());
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    site.advance(301);
    for _ in 0..3 {
        let answer = send(&service, &[&ann]).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["x-user"]),
            (503, &"ann".parse().unwrap())
        );
        assert_eq!(answer.problem()["error"], "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        assert!(answer.keeps_cookie());
        assert_eq!(send(&required, &[&ann]).await.text, "ann");
    }
    assert_eq!(site.provider.renewals(), 1, "a provider that is down is not hammered");
    site.provider.otherwise(RenewalScript::Rotate);
    site.advance(120);
    assert_eq!(send(&service, &[&ann]).await.text, "at-2");
}

#[tokio::test]
async fn without_a_refresh_token_the_session_stays_and_a_sign_in_is_needed() {
    use session_core::TokenResponse;
    use session_core::manager::SignIn;
    use session_core::testing::sample;

    let site = Site::new().await;
    let response = TokenResponse::bearer("at").with_expires_in(Duration::from_secs(60));
    let sign_in = SignIn::new(&sample::user("ann"), &sample::provider("okta"), response);
    let ann = cookie(&site.manager.sign_in(sign_in).await.unwrap().secret);
    assert_eq!(send(&tool(&site), &[&ann]).await.text, "at");
    site.advance(61);
    let answer = send(&tool(&site), &[&ann]).await;
    assert_eq!(answer.reason(), "sign_in_needed");
    assert!(answer.keeps_cookie());
    assert_eq!(send(&site.require_session(), &[&ann]).await.text, "ann");
    assert_eq!(site.provider.renewals(), 0);
}

#[tokio::test]
async fn a_refused_renewal_ends_the_session_and_its_reason_is_told() {
    let site = Site::new().await;
    let (ann, bob) = (site.sign_in("ann").await, site.sign_in("bob").await);
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Refused, None));
    site.advance(301);
    for session in [&ann, &bob] {
        let answer = send(&tool(&site), &[&cookie(&session.secret)]).await;
        assert_eq!((answer.reason().as_str(), answer.keeps_cookie()), ("renewal_refused", true));
    }
    let answer = send(&site.require_session(), &[&cookie(&bob.secret)]).await;
    assert_eq!((answer.reason().as_str(), answer.clears_cookie()), ("renewal_refused", true));
    let answer = send(&site.service(), &[&cookie(&ann.secret)]).await;
    assert_eq!(answer.text, "ended: renewal_refused");
}

#[tokio::test]
async fn f10_f16_a_client_that_disconnects_during_a_renewal_loses_no_token() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = tool(&site);
    site.advance(301);
    site.provider.answers().close();
    let request = spawn(&service, &ann);
    site.provider.answers().until_held(1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    site.provider.answers().open();
    assert_eq!(send(&service, &[&ann]).await.text, "at-2");
    assert_eq!(site.provider.renewals(), 1);
    assert_eq!(site.provider.sent(), ["rt-1"]);
}
