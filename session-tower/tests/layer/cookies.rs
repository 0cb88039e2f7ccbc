//! The cookies that a request presents, and requests without one (S3, S5, F37, C6).

use http::StatusCode;
use session_core::testing::{Method, sample};

use crate::site::{Site, cookie, send};

#[tokio::test]
async fn a_live_session_is_found_by_its_cookie_among_others() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    for cookies in [
        vec![ann.clone()],
        vec![format!("theme=dark; {ann}; _ga=GA1.1")],
        vec![format!("theme=dark;{ann}")],
        vec!["theme=dark".to_owned(), ann.clone()],
    ] {
        let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
        let answer = send(&service, &cookies).await;
        assert_eq!(answer.text, "ann", "{cookies:?}");
        assert!(answer.keeps_cookie());
        assert_eq!(answer.cache_control, None);
    }
    assert_eq!(send(&site.require_session(), &[&ann]).await.text, "ann");
}

#[tokio::test]
async fn s5_malformed_cookies_are_cleared_and_never_looked_up() {
    let site = Site::new().await;
    let secret = sample::secret().expose().to_owned();
    let malformed = [
        String::new(),
        "short".to_owned(),
        secret[1..].to_owned(),
        format!("{secret}A"),
        format!("{}.", &secret[1..]),
        format!("{}%", &secret[1..]),
        format!("\"{}\"", &secret[2..]),
        "0190f5b2-1c3d-7e4f-8a9b-0c1d2e3f4a5b".to_owned(),
        "x".repeat(5_000),
        "deleted=".to_owned(),
    ];
    for value in malformed {
        let cookies = format!("__Host-session={value}");
        let answer = send(&site.service(), &[&cookies]).await;
        assert_eq!(answer.text, "anonymous", "{value}");
        assert!(answer.clears_cookie(), "{value}");
        let answer = send(&site.require_session(), &[&cookies]).await;
        assert_eq!(answer.reason(), "no_session", "{value}");
        assert!(answer.clears_cookie(), "{value}");
    }
    assert_eq!(site.store.total_calls(), 0);
}

#[tokio::test]
async fn s3_f37_foreign_cookies_are_cleared_and_never_adopted() {
    let site = Site::new().await;
    let chosen = cookie(&sample::secret());
    let answer = send(&site.service(), &[&chosen]).await;
    assert_eq!(answer.text, "anonymous");
    assert!(answer.clears_cookie());
    let removal = "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
                   Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(answer.set_cookie, [removal]);
    assert_eq!(site.store.calls(Method::FindByDigest), 1);
    assert_eq!(send(&site.require_session(), &[&chosen]).await.reason(), "no_session");
    assert!(site.manager.list(&sample::user("ann"), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn c6_names_that_only_resemble_ours_are_not_ours() {
    let site = Site::new().await;
    let secret = site.sign_in("ann").await.secret;
    site.store.reset_calls();
    for name in
        ["__hOsT-session", "__HOST-SESSION", "x__Host-session", "__Host-session2", "session"]
    {
        let answer = send(&site.service(), &[&format!("{name}={}", secret.expose())]).await;
        assert_eq!(answer.text, "anonymous", "{name}");
        assert!(answer.keeps_cookie(), "{name}");
    }
    assert_eq!(site.store.total_calls(), 0);
    let planted = sample::secret();
    let both = format!("__hOsT-session={}; {}", planted.expose(), cookie(&secret));
    assert_eq!(send(&site.service(), &[&both]).await.text, "ann");
}

#[tokio::test]
async fn values_that_are_not_utf8_are_malformed() {
    use http::HeaderValue;
    use http::header::COOKIE;
    use tower::ServiceExt;

    let site = Site::new().await;
    let mut request = crate::site::request(&[]);
    let value = HeaderValue::from_bytes(b"a=\xff; __Host-session=\xff\xfe").unwrap();
    request.headers_mut().insert(COOKIE, value);
    let response = site.service().oneshot(request).await.unwrap();
    assert!(crate::site::Answer::of(response).await.clears_cookie());
}

#[tokio::test]
async fn l6_anonymous_requests_create_nothing_and_ask_nothing() {
    let site = Site::new().await;
    let service = site.service();
    for cookies in [&[][..], &["theme=dark; _ga=GA1.1"][..], &[""][..], &[";;=; ="][..]] {
        let answer = send(&service, cookies).await;
        assert_eq!(answer.text, "anonymous");
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

#[tokio::test]
async fn an_unprefixed_name_is_cleared_only_if_the_value_has_our_form() {
    use session_tower::SessionCookie;
    use tower::{Layer, service_fn};

    let site = Site::new().await;
    let insecure = SessionCookie::builder().dangerous_insecure().build().unwrap();
    let layer = site.layer().with_cookie(insecure);
    let optional = layer.clone().layer(service_fn(crate::site::show_user));
    let required = layer.require_session().layer(service_fn(crate::site::show_user));
    // Flask has the same default name, and another port of localhost the same cookies.
    let neighbour = "session=eyJ1c2VyIjoiYW5uIn0.aBcDeF.s1gn4tur3";
    assert!(send(&optional, &[neighbour]).await.keeps_cookie());
    assert!(send(&required, &[neighbour]).await.keeps_cookie());
    assert_eq!(site.store.total_calls(), 0);
    let ours = format!("session={}", sample::secret().expose());
    assert!(send(&optional, &[&ours]).await.clears_cookie());
}
