//! The layer's service in a stack: readiness, bodies, errors and its future.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use session_core::testing::{Fault, Method, sample};
use session_tower::{CurrentSession, Rejection};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::site::{Answer, Body, Site, cookie, request, show_user, spawn};

/// A service that panics if it is called before it is ready. A clone is not ready.
#[derive(Default)]
struct NeedsReadiness {
    is_ready: bool,
}

impl Clone for NeedsReadiness {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body>> for NeedsReadiness {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        Box::pin(show_user(request))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let mut service = site.layer().layer(NeedsReadiness::default());
    // Read, cached, anonymous and cleared, repeatedly on one instance.
    for _ in 0..3 {
        for (cookies, text) in
            [(&[&*ann][..], "ann"), (&[], "anonymous"), (&["__Host-session=junk"], "anonymous")]
        {
            let response = service.ready().await.unwrap().call(request(cookies)).await.unwrap();
            assert_eq!(Answer::of(response).await.text, text);
        }
        site.advance(6);
    }
}

#[tokio::test]
async fn a_concurrency_limit_inside_is_respected_and_its_permits_are_released() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let inner = ServiceBuilder::new().concurrency_limit(1).service_fn(show_user);
    let mut service = site.layer().layer(inner);
    // A request that is rejected after its lookup releases its permit.
    for _ in 0..3 {
        site.store.set_next(Method::FindByDigest, Fault::AWAY);
        let ready = service.ready().await.unwrap();
        let response = ready.call(request(&[&cookie(&sample::secret())])).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let response = service.ready().await.unwrap().call(request(&[&ann])).await.unwrap();
        assert_eq!(Answer::of(response).await.text, "ann");
        site.advance(6);
    }
    // So does one whose client disconnects during the lookup.
    site.store.set_next(Method::FindByDigest, Fault::HangBefore);
    let reading = spawn(&service, &ann);
    site.store.until_hanging(Method::FindByDigest, 1).await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    let response = service.ready().await.unwrap().call(request(&[&ann])).await.unwrap();
    assert_eq!(Answer::of(response).await.text, "ann");
}

#[tokio::test]
async fn a_request_that_is_rejected_synchronously_releases_its_permit() {
    let site = Site::new().await;
    let inner = ServiceBuilder::new().concurrency_limit(1).service_fn(show_user);
    let mut service = site.layer().require_session().layer(inner);
    let mut other = service.clone();
    let response = service.ready().await.unwrap().call(request(&[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(other.poll_ready(&mut context).is_ready());
}

#[tokio::test]
async fn the_inner_services_error_passes_unchanged() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let failing = service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, BoxError>("the inner one".into())
    });
    let service = site.layer().layer(failing);
    for cookies in [&[&*ann][..], &[&*ann], &[]] {
        let error = service.clone().oneshot(request(cookies)).await.unwrap_err();
        assert_eq!(error.to_string(), "the inner one");
    }
}

/// A body of another type than those that this crate knows.
#[derive(Debug)]
struct Text(Full<Bytes>);

impl http_body::Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn it_is_generic_over_both_bodies_and_closures_answer_rejections() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let answers = |rejection: &Rejection, request: &Parts| {
        let text = format!("{} {}", request.method, rejection.reason().unwrap_or_default());
        let mut response = Response::new(text);
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    // The request's body is not `Send`, and does not implement `Body`.
    let service = site.layer().require_session().with_rejection_response(answers).layer(
        service_fn(|request: Request<std::rc::Rc<str>>| async move {
            let current = request.extensions().get::<CurrentSession>().unwrap();
            let text = format!("{} {}", request.body(), current.user());
            Ok::<_, Infallible>(Response::new(Text(Full::from(text))))
        }),
    );
    let ask = |cookies: &[&str]| {
        let request = request(cookies).map(|_| std::rc::Rc::from("hello"));
        let response = service.clone().oneshot(request);
        async { Answer::of(response.await.unwrap()).await }
    };
    assert_eq!(ask(&[&ann]).await.text, "hello ann");
    assert_eq!(ask(&[&ann]).await.text, "hello ann");
    let answer = ask(&["__Host-session=junk"]).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::IM_A_TEAPOT, "GET no_session"));
    assert!(answer.clears_cookie());
    assert_eq!(ask(&[]).await.text, "GET no_session");
}

#[tokio::test]
async fn rejections_are_in_their_responses_extensions() {
    let site = Site::new().await;
    let response = site.require_session().oneshot(request(&[])).await.unwrap();
    assert_eq!(response.extensions().get::<Rejection>(), Some(&Rejection::NoSession));
}

#[tokio::test]
async fn the_response_future_can_be_named() {
    use session_tower::{ResponseBody, ResponseFuture, SessionService};

    struct Outer<S> {
        inner: SessionService<S>,
    }

    impl<S> Service<Request<Body>> for Outer<S>
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone,
    {
        type Response = Response<ResponseBody<Body>>;
        type Error = S::Error;
        type Future = ResponseFuture<S, Body>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.inner.poll_ready(cx)
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            self.inner.call(request)
        }
    }

    let site = Site::new().await;
    let outer = Outer { inner: site.layer().layer(service_fn(show_user)) };
    let response = outer.oneshot(request(&[])).await.unwrap();
    assert_eq!(Answer::of(response).await.text, "anonymous");
}

#[tokio::test]
#[should_panic(expected = "polled after it completed")]
async fn a_future_that_is_polled_after_a_rejection_panics() {
    let site = Site::new().await;
    let mut future = std::pin::pin!(site.require_session().call(request(&[])));
    assert!(future.as_mut().await.is_ok());
    let _ = future.await;
}
