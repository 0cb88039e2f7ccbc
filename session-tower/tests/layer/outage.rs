//! An unavailable store and unreadable rows: 503, and never anonymous (F6, F35).

use std::time::Duration;

use session_core::store::{KeyRotation as _, Reseal, SessionLookup as _};
use session_core::testing::{Fault, Method, sample};

use session_tower::RedirectToLogin;
use tower::{Layer as _, ServiceExt as _};

use crate::site::{Answer, Site, cookie, request, send, show_user, spawn};

fn is_unavailable(answer: &Answer, error: &str) -> bool {
    answer.status == 503
        && answer.keeps_cookie()
        && answer.problem()["error"] == error
        && answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0
}

#[tokio::test]
async fn f6_an_unavailable_store_is_503_in_both_modes_and_never_anonymous() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    site.store.set_all(Fault::AWAY);
    for cookie in [&ann, &cookie(&sample::secret())] {
        assert!(is_unavailable(&send(&site.service(), &[cookie]).await, "unavailable"));
        assert!(is_unavailable(&send(&site.require_session(), &[cookie]).await, "unavailable"));
    }
    assert_eq!(send(&site.service(), &[]).await.text, "anonymous");
    site.store.clear_all();
    assert_eq!(send(&site.service(), &[&ann]).await.text, "ann");
}

#[tokio::test]
async fn a_cached_session_outlives_an_outage_for_max_staleness_and_no_longer() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    site.store.set_all(Fault::AWAY);
    site.clock.advance(site.manager.policy().max_staleness() - Duration::from_millis(1));
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    site.clock.advance(Duration::from_millis(1));
    assert!(is_unavailable(&send(&service, &[&ann]).await, "unavailable"));
    site.store.clear_all();
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
}

#[tokio::test]
async fn a_store_that_hangs_is_503_after_its_timeout() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    site.store.set(Method::FindByDigest, Fault::HangBefore);
    let waiting = spawn(&site.service(), &ann);
    site.store.until_hanging(Method::FindByDigest, 1).await;
    let timeout = site.manager.policy().store_timeout();
    site.clock.advance(timeout - Duration::from_millis(1));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    site.clock.advance(Duration::from_millis(1));
    assert!(is_unavailable(&waiting.await.unwrap(), "unavailable"));
}

#[tokio::test]
async fn with_several_cookies_one_that_cannot_be_looked_up_is_enough_for_503() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    site.store.set_next(Method::FindByDigest, Fault::AWAY);
    let other = cookie(&sample::secret());
    assert!(is_unavailable(&send(&service, &[&ann, &other]).await, "unavailable"));
}

/// Puts another session's sealed tokens into a row.
async fn tamper(site: &Site, victim: session_core::SessionId) {
    let other = site.sign_in("other").await.session.id;
    let foreign = site.store.find(other).await.unwrap().unwrap().tokens.unwrap();
    let revision = site.store.find(victim).await.unwrap().unwrap().session.revision;
    let swapped = Reseal::new(victim, revision, foreign);
    assert_eq!(site.store.reseal(vec![swapped]).await.unwrap(), 1);
}

#[tokio::test]
async fn k2_f35_a_tampered_row_is_503_where_required_and_row_and_cookie_are_kept() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    tamper(&site, ann.session.id).await;
    for _ in 0..2 {
        let answer = send(&site.service(), &[&cookie(&ann.secret)]).await;
        assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("unreadable", true));
        let answer = send(&site.require_session(), &[&cookie(&ann.secret)]).await;
        assert!(is_unavailable(&answer, "unreadable"), "{answer:?}");
    }
    let row = site.store.find(ann.session.id).await.unwrap().unwrap();
    assert!(row.session.is_live() && row.tokens.is_some());
    // A new sign-in works.
    let sign_in = site.login("ann").supersedes(Some(ann.secret.digest()));
    let new = site.manager.sign_in(sign_in).await.unwrap();
    assert_eq!(send(&site.service(), &[&cookie(&new.secret)]).await.text, "ann");
}

#[tokio::test]
async fn k2_f35_a_row_that_is_tampered_with_behind_the_cache_is_503_at_the_next_read() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let service = site.require_session();
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ann");
    tamper(&site, ann.session.id).await;
    site.advance(5);
    let answer = send(&service, &[&cookie(&ann.secret)]).await;
    assert!(is_unavailable(&answer, "unreadable"), "{answer:?}");
}

#[tokio::test]
async fn an_unreadable_session_does_not_hide_a_live_one() {
    let site = Site::new().await;
    let (broken, ann) = (site.sign_in("bob").await, site.sign_in("ann").await);
    tamper(&site, broken.session.id).await;
    let cookies = [cookie(&broken.secret), cookie(&ann.secret)].join("; ");
    assert_eq!(send(&site.service(), &[&cookies]).await.text, "ann");
}

#[tokio::test]
async fn k2_an_unreadable_session_keeps_its_browser_from_neither_signing_in_nor_signing_out() {
    use axum::body::Body;
    use axum::extract::State;
    use axum::routing::{get, post};
    use http::header::COOKIE;
    use session_core::SessionManager;
    use session_core::manager::SignIn;
    use session_tower::{CookieUpdate, CurrentSession, PresentedCookie, Rejection};
    use tower::ServiceExt;

    async fn callback(
        State(manager): State<SessionManager>,
        presented: Option<PresentedCookie>,
    ) -> Result<CookieUpdate, Rejection> {
        let tokens = session_core::TokenResponse::bearer("at");
        let sign_in = SignIn::new(&sample::user("ann"), &sample::provider("okta"), tokens)
            .supersedes(presented.iter().flat_map(PresentedCookie::digests));
        Ok(CookieUpdate::signed_in(&manager.sign_in(sign_in).await?))
    }

    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    tamper(&site, ann.session.id).await;
    let app = axum::Router::new()
        .route("/login", get(async || "to the provider"))
        .route("/callback", get(callback))
        .route("/logout", post(async || CookieUpdate::signed_out()))
        .route("/me", get(async |session: CurrentSession| session.user().to_string()))
        .layer(site.layer())
        .with_state(site.manager.clone());
    let send = async |method: &str, path: &str, cookie: &str| {
        let request = http::Request::builder().method(method).uri(path).header(COOKIE, cookie);
        let request = request.body(Body::empty()).unwrap();
        Answer::of(app.clone().oneshot(request).await.unwrap()).await
    };
    let broken = cookie(&ann.secret);
    let answer = send("GET", "/login", &broken).await;
    assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("to the provider", true));
    assert!(is_unavailable(&send("GET", "/me", &broken).await, "unreadable"));
    assert!(send("POST", "/logout", &broken).await.clears_cookie());
    let new = send("GET", "/callback", &broken).await.new_cookie();
    assert_eq!(send("GET", "/me", &new).await.text, "ann");
    let row = site.store.find(ann.session.id).await.unwrap().unwrap();
    assert_eq!(row.session.ended.unwrap().reason, session_core::EndReason::Superseded);
}

#[tokio::test]
async fn a_person_gets_a_page_of_an_outage_and_a_program_a_problem() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    site.store.set_all(Fault::AWAY);
    let answers = RedirectToLogin::to("/login").unwrap();
    let layer = site.layer().require_session().with_rejection_response(answers);
    let service = layer.layer(tower::service_fn(show_user));
    for (accept, kind) in
        [("text/html", "text/html; charset=utf-8"), ("*/*", "application/problem+json")]
    {
        let mut request = request(&[&ann]);
        request.headers_mut().insert("accept", accept.parse().unwrap());
        let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.keeps_cookie()), (503, true));
        assert_eq!(
            (&answer.headers["content-type"], &answer.headers["retry-after"]),
            (&kind.parse().unwrap(), &"1".parse().unwrap())
        );
        assert_eq!(answer.text.contains("<p role=\"alert\">"), accept == "text/html");
    }
}
