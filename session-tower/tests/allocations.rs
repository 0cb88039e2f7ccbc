//! A cached session costs at most five allocations more than a layer that does nothing.

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

/// How many allocations one request takes that is answered at once, and its answer.
fn allocations<S>(service: &mut S, cookies: &str) -> (u64, Response<Body>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let request = Request::get("/").header(COOKIE, cookies).body(Body::default()).unwrap();
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
    (counted.count_total, answer.expect("it is answered at once"))
}

#[tokio::test]
async fn a_cached_session_costs_at_most_five_allocations_more() {
    let manager = SessionManager::builder(MemoryStore::new())
        .policy(SessionPolicy::builder().build().unwrap())
        .keyring(sample::keyring_of(&["bench"]))
        .start()
        .await
        .unwrap();
    let sign_in = SignIn::new(&sample::user("ann"), &sample::provider("okta"), sample::response());
    let secret = manager.sign_in(sign_in).await.unwrap().secret;
    let cookies = format!("theme=dark; __Host-session={}; _ga=GA1.1.1", secret.expose());

    let mut idle = MapRequestLayer::new(|request: Request<Body>| request).layer(service_fn(answer));
    let mut ours = SessionLayer::new(manager).layer(service_fn(answer));
    let warm = Request::get("/").header(COOKIE, &cookies).body(Body::default()).unwrap();
    ours.call(warm).await.unwrap();

    let (least, _) = allocations(&mut idle, &cookies);
    // moka works off what it has noted of hits now and then, in whichever request comes next.
    let mut most = 0;
    for _ in 0..1_000 {
        let (count, response) = allocations(&mut ours, &cookies);
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        most = most.max(count);
    }
    println!("no-op layer {least}, session {most}");
    assert!(most <= least + 5, "{most} allocations, the idle layer takes {least}");

    let (anonymous, _) = allocations(&mut ours, "theme=dark; _ga=GA1.1.1");
    assert_eq!(anonymous, least, "an anonymous request allocates nothing of ours");
}
