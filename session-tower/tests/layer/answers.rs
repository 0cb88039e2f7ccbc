//! What answers tell programs, caches and browsers' preflights.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use session_tower::{CurrentSession, Rejection};
use tower::{Layer, ServiceExt as _, service_fn};

use crate::site::{Answer, Body, Site, cookie, request, send, show_user};

fn vary(answer: &Answer) -> Vec<&HeaderValue> {
    answer.headers.get_all(VARY).iter().collect()
}

#[tokio::test]
async fn a_401_names_its_challenge_and_no_other_answer_does() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.require_session();
    let answer = send(&service, &[]).await;
    assert_eq!(answer.reason(), "no_session");
    assert_eq!(answer.headers[WWW_AUTHENTICATE], "Cookie realm=\"session\"");
    assert!(!send(&service, &[&ann]).await.headers.contains_key(WWW_AUTHENTICATE));
}

#[tokio::test]
async fn a_preflight_passes_where_a_session_is_required() {
    let site = Site::new().await;
    let service = site.require_session();
    let ask = async |method: Method, headers: &[&str]| {
        let request = Request::builder().method(method).uri("/");
        let with = |request: http::request::Builder, name: &&str| request.header(*name, "x");
        let request = headers.iter().fold(request, with).body(Body::default()).unwrap();
        Answer::of(service.clone().oneshot(request).await.unwrap()).await
    };
    let preflight = [ORIGIN.as_str(), ACCESS_CONTROL_REQUEST_METHOD.as_str()];
    assert_eq!(ask(Method::OPTIONS, &preflight).await.text, "anonymous");
    assert_eq!(ask(Method::OPTIONS, &preflight[..1]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Method::GET, &preflight).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn answers_that_depend_on_the_cookie_say_so() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let required = site.require_session();
    for cookies in [&[&*ann][..], &[]] {
        assert_eq!(vary(&send(&required, cookies).await), ["cookie"]);
    }
    // Where a session is optional, the handler knows.
    assert!(vary(&send(&site.service(), &[&ann]).await).is_empty());
    let rejecting = site.layer().layer(service_fn(|request: Request<Body>| async move {
        let current = request.extensions().get::<CurrentSession>();
        Ok::<_, std::convert::Infallible>(match current {
            Some(_) => Response::new(Body::default()),
            None => Rejection::NoSession.response(),
        })
    }));
    assert_eq!(vary(&send(&rejecting, &[]).await), ["cookie"]);
}

#[tokio::test]
async fn a_handlers_own_vary_stays_and_is_not_repeated() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    for (own, expected) in [
        ("accept", &["accept", "cookie"][..]),
        ("accept, Cookie", &["accept, Cookie"]),
        ("*", &["*"]),
    ] {
        let service = site.layer().require_session().layer(service_fn(async |request| {
            let mut response = show_user(request).await?;
            response.headers_mut().insert(VARY, HeaderValue::from_static(own));
            Ok::<_, std::convert::Infallible>(response)
        }));
        let response = service.oneshot(request(&[&ann])).await.unwrap();
        assert_eq!(vary(&Answer::of(response).await), expected);
    }
}
