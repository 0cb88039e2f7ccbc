//! A cached session takes at most five allocations more than a layer that does nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use bytes::Bytes;
use http::header::COOKIE;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use session_core::manager::SignIn;
use session_core::store::memory::MemoryStore;
use session_core::testing::sample;
use session_core::{SessionManager, SessionPolicy};
use session_tower::{CurrentSession, SessionLayer};
use tower::util::MapRequestLayer;
use tower::{Layer, Service, service_fn};

type Body = Full<Bytes>;

async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::default());
    if request.extensions().get::<CurrentSession>().is_some() {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    Ok(response)
}

/// Counts the allocations of one request, which must be answered at the first poll.
fn allocations<S, B>(service: &mut S, cookies: &str) -> (u64, Response<B>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    // Servers and routers put something into the extensions, so that the map is there.
    let request = Request::get("/").header(COOKIE, cookies).extension(StatusCode::OK);
    let request = request.body(Body::default()).unwrap();
    let mut answer = None;
    let counted = measure(|| {
        let mut context = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut context).is_ready());
        let mut future = pin!(service.call(request));
        match future.as_mut().poll(&mut context) {
            Poll::Ready(Ok(response)) => answer = Some(response),
            Poll::Ready(Err(error)) => match error {},
            Poll::Pending => {}
        }
    });
    (counted.count_total, answer.expect("answered at the first poll"))
}

#[tokio::test]
async fn a_cached_session_takes_at_most_five_allocations_more() {
    let manager = SessionManager::builder(MemoryStore::new())
        .policy(SessionPolicy::builder().build().unwrap())
        .keyring(sample::keyring_of(&["bench"]))
        .start()
        .await
        .unwrap();
    let sign_in = SignIn::new(&sample::user("ann"), &sample::provider("okta"), sample::response());
    let secret = manager.sign_in(sign_in).await.unwrap().secret;
    let cookies = format!("theme=dark; __Host-session={}; _ga=GA1.1.1", secret.expose());

    let mut no_op =
        MapRequestLayer::new(|request: Request<Body>| request).layer(service_fn(answer));
    let mut sessions = SessionLayer::new(manager).layer(service_fn(answer));
    let warm = Request::get("/").header(COOKIE, &cookies).body(Body::default()).unwrap();
    sessions.call(warm).await.unwrap();

    let (baseline, _) = allocations(&mut no_op, &cookies);
    // Now and then a request pays for the hits that moka has recorded, so the maximum counts.
    let mut max = 0;
    for _ in 0..1_000 {
        let (count, response) = allocations(&mut sessions, &cookies);
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        max = max.max(count);
    }
    println!("no-op layer {baseline}, session {max}");
    assert!(max <= baseline + 5, "{max} allocations, the no-op layer takes {baseline}");

    let (anonymous, _) = allocations(&mut sessions, "theme=dark; _ga=GA1.1.1");
    assert_eq!(anonymous, baseline, "the layer allocates nothing for an anonymous request");
}
