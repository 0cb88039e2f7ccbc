//! Who brings no session cookie costs nothing.

use http::StatusCode;

use crate::site::{Site, send};

#[tokio::test]
async fn l6_anonymous_requests_create_nothing_and_ask_nothing() {
    let site = Site::new().await;
    let service = site.service();
    for cookies in [&[][..], &["theme=dark; _ga=GA1.1"][..], &[""][..], &[";;=; ="][..]] {
        let answer = send(&service, cookies).await;
        assert_eq!(answer.text, "nobody");
        assert!(answer.keeps_cookie());
        assert_eq!(answer.cache_control, None);
    }
    assert_eq!(site.store.total_calls(), 0);
}

#[tokio::test]
async fn anonymous_requests_get_401_where_a_session_is_required() {
    let site = Site::new().await;
    let answer = send(&site.require_session(), &["theme=dark"]).await;
    assert_eq!(answer.reason(), "no_session");
    assert_eq!(answer.problem()["error"], "unauthenticated");
    assert_eq!(answer.problem()["status"], 401);
    assert!(answer.keeps_cookie());
    assert_eq!(site.store.total_calls(), 0);
    assert_eq!(send(&site.require_session(), &[]).await.status, StatusCode::UNAUTHORIZED);
}
