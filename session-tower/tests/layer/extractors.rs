//! The extractors and response parts for axum.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use http::header::COOKIE;
use http::{Request, StatusCode};
use session_core::manager::SignIn;
use session_core::testing::sample;
use session_core::{SessionId, SessionManager};
use session_tower::{
    CookieUpdate, CurrentSession, EndedSession, PresentedCookie, RedirectToLogin, Rejection,
};
use tower::ServiceExt;

use crate::site::{Answer, Site, cookie};

fn app(site: &Site) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/me", get(me))
        .route("/tool", get(tool))
        .route("/presented", get(presented))
        .route("/logout", post(logout))
        .route("/bare-logout", post(async || CookieUpdate::signed_out()))
        .layer(site.layer())
        .layer(Extension(site.manager.clone()))
}

async fn page(session: Option<CurrentSession>, ended: Option<EndedSession>) -> String {
    match (session, ended) {
        (Some(session), _) => format!("hello {}", session.user()),
        (None, Some(ended)) => format!("signed out: {}", ended.reason),
        (None, None) => "hello".to_owned(),
    }
}

async fn me(session: CurrentSession) -> String {
    let listed = session.session();
    assert_eq!((session.id(), session.provider()), (listed.id, &listed.provider));
    assert_eq!(session.last_seen_at(), sample::now());
    session.user().to_string()
}

async fn tool(session: CurrentSession) -> Result<String, Rejection> {
    Ok(session.access_token()?.to_owned())
}

async fn presented(cookie: Option<PresentedCookie>) -> String {
    cookie.is_some().to_string()
}

async fn logout(
    session: CurrentSession,
    Extension(manager): Extension<SessionManager>,
) -> (StatusCode, CookieUpdate) {
    manager.sign_out(session.user(), session.id()).await.unwrap();
    (StatusCode::NO_CONTENT, CookieUpdate::signed_out())
}

async fn send(app: &Router, method: &str, uri: &str, cookie: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).header(COOKIE, cookie);
    let request = request.body(Body::empty()).unwrap();
    Answer::of(app.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn extractors_give_the_session_or_a_problem() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let app = app(&site);
    assert_eq!(send(&app, "GET", "/", &ann).await.text, "hello ann");
    assert_eq!(send(&app, "GET", "/me", &ann).await.text, "ann");
    assert_eq!(send(&app, "GET", "/tool", &ann).await.text, "at-1");
    assert_eq!(send(&app, "GET", "/", "").await.text, "hello");
    let answer = send(&app, "GET", "/me", "").await;
    assert_eq!((answer.reason().as_str(), answer.keeps_cookie()), ("no_session", true));
}

#[tokio::test]
async fn f37_the_extractors_401_tells_the_reason_and_clears_and_an_optional_one_does_not() {
    let site = Site::with_policy(|policy| policy.max_sessions(1)).await;
    let evicted = cookie(&site.sign_in("ann").await.secret);
    site.sign_in("ann").await;
    let app = app(&site);
    let answer = send(&app, "GET", "/", &evicted).await;
    assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("signed out: evicted", true));
    let answer = send(&app, "GET", "/me", &evicted).await;
    assert_eq!((answer.reason().as_str(), answer.clears_cookie()), ("evicted", true));
}

#[tokio::test]
async fn presented_cookies_are_known_whether_or_not_there_is_a_session() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let (live, foreign) = (cookie(&ann.secret), cookie(&sample::secret()));
    let app = app(&site);
    for (cookie, is_presented) in
        [(live.as_str(), true), (&foreign, true), ("__Host-session=junk", false), ("", false)]
    {
        let answer = send(&app, "GET", "/presented", cookie).await;
        assert_eq!(answer.text, is_presented.to_string(), "{cookie}");
    }
    site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap();
    assert_eq!(send(&app, "GET", "/presented", &live).await.text, "true");
}

#[tokio::test]
async fn a_cookie_update_is_a_response_part() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let app = app(&site);
    let answer = send(&app, "POST", "/logout", &ann).await;
    assert_eq!((answer.status, answer.clears_cookie()), (StatusCode::NO_CONTENT, true));
    assert_eq!(send(&app, "GET", "/me", &ann).await.reason(), "signed_out");
    assert!(send(&app, "POST", "/bare-logout", "").await.clears_cookie());
}

#[tokio::test]
async fn the_question_mark_turns_a_missing_token_into_503() {
    use session_core::provider::ProviderErrorKind;
    use session_core::testing::RenewalScript;

    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let app = app(&site);
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    site.advance(301);
    let answer = send(&app, "GET", "/tool", &ann).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after") && answer.keeps_cookie());
    assert_eq!(send(&app, "GET", "/", &ann).await.text, "hello ann");
}

#[tokio::test]
async fn a_login_that_the_policy_refuses_is_409() {
    use session_core::policy::OnFull;

    let full = |policy: session_core::policy::PolicyBuilder| {
        policy.max_sessions(1).on_full(OnFull::Reject)
    };
    let site = Site::with_policy(full).await;
    site.sign_in("ann").await;
    let error = site.manager.sign_in(site.login("ann")).await.unwrap_err();
    let rejection = Rejection::from(error);
    assert_eq!((rejection.status(), rejection.error()), (StatusCode::CONFLICT, "limit_reached"));
}

#[tokio::test]
async fn a_rejection_for_a_superseded_session_clears_nothing() {
    use axum::response::IntoResponse;
    use session_core::EndReason;

    let site = Site::new().await;
    let rejecting = |reason| {
        let handler = get(async move || Rejection::Ended(reason).into_response());
        Router::new().route("/", handler).layer(site.layer())
    };
    assert!(send(&rejecting(EndReason::Superseded), "GET", "/", "").await.keeps_cookie());
    assert!(send(&rejecting(EndReason::Idle), "GET", "/", "").await.clears_cookie());
}

/// Sends what a browser sends when the user follows a link.
async fn navigate(app: &Router, method: &str, uri: &str, cookie: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).header(COOKIE, cookie);
    let request = request
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    let request = request.body(Body::empty()).unwrap();
    Answer::of(app.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn pages_are_redirected_to_the_login_with_the_reason_and_the_rest_is_not() {
    let site = Site::with_policy(|policy| policy.max_sessions(1)).await;
    let evicted = cookie(&site.sign_in("ann").await.secret);
    site.sign_in("ann").await;
    let layer = |path: &str| {
        let answers = RedirectToLogin::to(path).unwrap();
        let layer = site.layer().require_session().with_rejection_response(answers);
        Router::new().route("/", get(page).post(page)).layer(layer)
    };
    let answer = navigate(&layer("/login"), "GET", "/", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["location"], "/login?return_to=%2F");
    assert_eq!(answer.headers["vary"], "cookie, accept, sec-fetch-mode, sec-fetch-dest");
    assert!(answer.keeps_cookie());
    let answer = navigate(&layer("/login"), "GET", "/?a=1&b=%20", &evicted).await;
    let location = "/login?reason=evicted&return_to=%2F%3Fa%3D1%26b%3D%2520";
    assert_eq!(answer.headers["location"], location);
    assert!(answer.clears_cookie());
    let answer = navigate(&layer("/login?app=1"), "GET", "/", &evicted).await;
    assert_eq!(answer.headers["location"], "/login?app=1&reason=evicted&return_to=%2F");
    assert_eq!(navigate(&layer("/login"), "POST", "/", "").await.reason(), "no_session");
    // Programs get the problem document, whatever their method.
    assert_eq!(send(&layer("/login"), "GET", "/", "").await.reason(), "no_session");
    site.store.set_all(session_core::testing::Fault::AWAY);
    let answer = navigate(&layer("/login"), "GET", "/", &cookie(&sample::secret())).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_fetch_is_not_redirected_even_if_it_accepts_pages() {
    let site = Site::new().await;
    let answers = RedirectToLogin::to("/login").unwrap();
    let layer = site.layer().require_session().with_rejection_response(answers);
    let app = Router::new().route("/", get(page)).layer(layer);
    for headers in [
        [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        [("accept", "text/html"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        [("accept", "*/*"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
        [("accept", "application/json"), ("sec-fetch-mode", "navigate"), ("x", "")],
    ] {
        let request =
            headers.iter().fold(Request::get("/"), |it, (name, value)| it.header(*name, *value));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(Answer::of(response).await.reason(), "no_session", "{headers:?}");
    }
    // An old browser sends no fetch metadata.
    let request = Request::get("/").header("accept", "text/html").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_way_back_from_the_login_stays_within_the_site() {
    let site = Site::new().await;
    let answers = RedirectToLogin::to("/login").unwrap();
    let layer = site.layer().require_session().with_rejection_response(answers);
    let app = Router::new().fallback(get(page)).layer(layer);
    for (uri, location) in [
        ("/a?b=c", "/login?return_to=%2Fa%3Fb%3Dc"),
        ("//elsewhere.example/a", "/login"),
        ("/a\\b", "/login"),
        ("/\\elsewhere.example", "/login"),
        ("http://elsewhere.example/a", "/login?return_to=%2Fa"),
    ] {
        let Ok(_) = uri.parse::<http::Uri>() else { continue };
        let answer = navigate(&app, "GET", uri, "").await;
        assert_eq!(answer.headers["location"], location, "{uri}");
    }
}

#[tokio::test]
async fn the_extractor_and_the_question_mark_answer_as_the_layer_does() {
    let site = Site::with_policy(|policy| policy.max_sessions(1)).await;
    let evicted = cookie(&site.sign_in("ann").await.secret);
    site.sign_in("ann").await;
    let tokens = session_core::TokenResponse::bearer("at").with_expires_in(Duration::from_secs(60));
    let short = SignIn::new(&sample::user("bob"), &sample::provider("okta"), tokens);
    let bob = cookie(&site.manager.sign_in(short).await.unwrap().secret);
    let layer = site.layer().with_rejection_response(RedirectToLogin::to("/login").unwrap());
    let token = async |session: CurrentSession| -> Result<String, Rejection> {
        Ok(session.access_token()?.to_owned())
    };
    let app = Router::new().route("/me", get(me)).route("/token", get(token)).layer(
        tower::ServiceBuilder::new()
            .layer(layer)
            .layer(tower_http::compression::CompressionLayer::new()),
    );
    let answer = navigate(&app, "GET", "/me", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        (&answer.headers["location"], answer.text.as_str()),
        (&"/login?return_to=%2Fme".parse().unwrap(), "")
    );
    let answer = navigate(&app, "GET", "/me", &evicted).await;
    assert_eq!(answer.headers["location"], "/login?reason=evicted&return_to=%2Fme");
    assert!(answer.clears_cookie() && !answer.headers.contains_key("content-encoding"));
    assert_eq!(send(&app, "GET", "/me", "").await.reason(), "no_session");
    assert_eq!(navigate(&app, "GET", "/token", &bob).await.text, "at");
    site.advance(61);
    let answer = navigate(&app, "GET", "/token", &bob).await;
    assert_eq!(answer.headers["location"], "/login?return_to=%2Ftoken");
    assert!(answer.keeps_cookie());
    assert_eq!(send(&app, "GET", "/token", &bob).await.reason(), "sign_in_needed");

    let plain_text = |rejection: &Rejection, request: &http::request::Parts| {
        let mut response = http::Response::new(format!("{} {}", request.uri, rejection.error()));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    let layer = site.layer().with_rejection_response(plain_text);
    let app = Router::new().route("/me", get(me)).layer(layer);
    let answer = send(&app, "GET", "/me", "").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::IM_A_TEAPOT, "/me unauthenticated")
    );
}

#[tokio::test]
async fn the_question_mark_on_an_ended_tool_client_leaves_the_browsers_session_alone() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let (user, docs) = (sample::user("ann"), sample::provider("mcp:docs"));
    let connected = site.manager.connect(&user, &docs, site.provider.sign_in()).await.unwrap();
    let id = connected.session.id;
    site.manager.end_one(&user, id).await.unwrap();
    let manager = site.manager.clone();
    let tool = async move |session: CurrentSession| -> Result<String, Rejection> {
        Ok(manager.access_token(session.user(), id).await?.access_token().to_owned())
    };
    let app = Router::new().route("/docs", get(tool)).route("/me", get(me)).layer(site.layer());
    let answer = send(&app, "GET", "/docs", &ann).await;
    assert_eq!((answer.status, answer.keeps_cookie()), (StatusCode::NOT_FOUND, true));
    assert_eq!(answer.problem()["error"], "not_found");
    assert_eq!(send(&app, "GET", "/me", &ann).await.text, "ann");
}

#[tokio::test]
async fn ending_a_device_that_is_gone_is_404() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let manager = site.manager.clone();
    let end = async move |session: CurrentSession| -> Result<StatusCode, Rejection> {
        let gone = session_core::SessionId::generate(sample::now());
        manager.end_one(session.user(), gone).await?;
        Ok(StatusCode::NO_CONTENT)
    };
    let app = Router::new().route("/device", axum::routing::delete(end)).layer(site.layer());
    let answer = send(&app, "DELETE", "/device", &ann).await;
    assert_eq!((answer.status, answer.keeps_cookie()), (StatusCode::NOT_FOUND, true));
    assert_eq!(answer.problem()["error"], "not_found");
}

#[tokio::test]
async fn an_error_about_the_requests_own_session_tells_the_reason_and_clears_the_cookie() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let manager = site.manager.clone();
    let rotate = async move |session: CurrentSession| -> Result<CookieUpdate, Rejection> {
        manager.sign_out(session.user(), session.id()).await?;
        let rotation = manager.rotate_secret(session.user(), session.id()).await;
        Ok(CookieUpdate::rotated(&rotation.map_err(Rejection::of_own_session)?))
    };
    let app = Router::new().route("/rotate", post(rotate)).layer(site.layer());
    let answer = send(&app, "POST", "/rotate", &ann).await;
    assert_eq!((answer.reason().as_str(), answer.clears_cookie()), ("signed_out", true));
}

#[tokio::test]
async fn without_the_layer_the_extractor_answers_500_and_logs_what_is_missing() {
    use crate::redaction::Log;

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let app = Router::new().route("/me", get(me)).route("/", get(page));
    for cookie in ["", &ann] {
        let answer = send(&app, "GET", "/me", cookie).await;
        assert_eq!(
            (answer.status, answer.keeps_cookie()),
            (StatusCode::INTERNAL_SERVER_ERROR, true)
        );
        assert_eq!(answer.problem()["error"], "internal");
    }
    let logged = log.text();
    assert_eq!(logged.matches("ERROR").count(), 2, "{logged}");
    assert!(logged.contains("`.layer(SessionLayer::new(manager))`"), "{logged}");
    // With the layer a request without a session is the client's matter.
    let app = app.layer(site.layer());
    assert_eq!(send(&app, "GET", "/me", "").await.reason(), "no_session");
}

#[tokio::test]
async fn ending_an_unknown_session_is_not_found_and_signs_nobody_out() {
    let site = Site::new().await;
    let (ann, bob) = (site.sign_in("ann").await, site.sign_in("bob").await);
    let manager = site.manager.clone();
    let end_one = async move |current: CurrentSession, Path(id): Path<SessionId>| {
        manager.end_one(current.user(), id).await.map_err(Rejection::from)
    };
    let router = Router::new().route("/{id}", delete(end_one)).layer(site.layer());
    let end = |id: String| {
        let request = Request::delete(format!("/{id}")).header(COOKIE, cookie(&ann.secret));
        router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    };
    let unknown = SessionId::generate(site.manager.now());
    for id in [unknown, bob.session.id] {
        let answer = Answer::of(end(id.to_string()).await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.keeps_cookie(), "the request's own session is live");
    }
    assert_eq!(end("no-id".to_owned()).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let answer = Answer::of(end(ann.session.id.to_string()).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
}
