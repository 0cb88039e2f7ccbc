//! The layer with hyper, and with the layers of tower and tower-http.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use session_tower::CurrentSession;
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::site::{Answer, Body, Site, cookie, request, show_user};

#[tokio::test]
async fn it_serves_on_hyper_with_hypers_own_bodies() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let answer = service_fn(|request: Request<hyper::body::Incoming>| async move {
        let current = request.extensions().get::<CurrentSession>();
        let text = current.map_or("anonymous".to_owned(), |current| current.user().to_string());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text)))
    });
    let service = ServiceBuilder::new().layer(site.layer()).service(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        let connection = hyper::server::conn::http1::Builder::new();
        connection.serve_connection(TokioIo::new(stream), service).await.unwrap();
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (cookie, text) in
        [(&*ann, "ann"), (&*ann, "ann"), ("a=b", "anonymous"), ("__Host-session=x", "anonymous")]
    {
        let request = Request::get("/").header("host", "localhost").header(COOKIE, cookie);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        client.ready().await.unwrap();
        let answer = Answer::of(client.send_request(request).await.unwrap()).await;
        assert_eq!(answer.text, text);
        assert_eq!(answer.clears_cookie(), cookie.ends_with("=x"));
    }
    drop(client);
    connection.await.unwrap().unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn a_buffered_service_works_inside_and_outside() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let mut service =
        ServiceBuilder::new().buffer(4).layer(site.layer()).buffer(4).service_fn(show_user);
    for _ in 0..3 {
        let ready: &mut _ = service.ready().await.unwrap();
        let response = ready.call(request(&[&ann])).await.unwrap();
        assert_eq!(Answer::of(response).await.text, "ann");
        site.advance(6);
    }
}

#[tokio::test]
async fn it_works_with_tower_https_layers_around_and_inside() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let name = HeaderName::from_static("x-inside");
    let inside = SetResponseHeaderLayer::overriding(name, HeaderValue::from_static("yes"));
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(60));
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new())
        .layer(CsrfLayer::new())
        .layer(site.layer())
        .layer(timeout)
        .layer(inside)
        .service_fn(show_user);
    for _ in 0..2 {
        let response = service.clone().oneshot(request(&[&ann])).await.unwrap();
        assert_eq!(response.headers()["x-inside"], "yes");
        assert_eq!(Answer::of(response).await.text, "ann");
    }
    let cross_site = Request::post("/").header("sec-fetch-site", "cross-site");
    let cross_site = cross_site.header("cookie", &ann).body(Body::default()).unwrap();
    let response = service.clone().oneshot(cross_site).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let response = service.oneshot(request(&["__Host-session=junk"])).await.unwrap();
    assert!(Answer::of(response).await.clears_cookie());
}

#[tokio::test]
async fn it_compiles_and_answers_outside_of_and_inside_every_layer() {
    use axum::Router;
    use axum::routing::get;
    use http_body_util::combinators::BoxBody;
    use tower::util::option_layer;
    use tower_http::catch_panic::CatchPanicLayer;
    use tower_http::cors::CorsLayer;
    use tower_http::map_response_body::MapResponseBodyLayer;

    async fn check<S, B>(service: S, ann: &str)
    where
        S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug> + Clone,
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
    {
        let response = service.clone().oneshot(request(&[ann])).await.unwrap();
        assert_eq!(Answer::of(response).await.text, "ann");
        let response = service.oneshot(request(&[])).await.unwrap();
        assert_eq!(Answer::of(response).await.reason(), "no_session");
    }

    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let sessions = site.layer().require_session();
    let stack = || ServiceBuilder::new().layer(sessions.clone());
    check(stack().layer(CompressionLayer::new()).service_fn(show_user), &ann).await;
    check(stack().layer(TraceLayer::new_for_http()).service_fn(show_user), &ann).await;
    check(stack().layer(CatchPanicLayer::new()).service_fn(show_user), &ann).await;
    check(stack().layer(CorsLayer::permissive()).service_fn(show_user), &ann).await;
    check(stack().layer(sessions.clone()).service_fn(show_user), &ann).await;
    let outside = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(CompressionLayer::new())
        .layer(TraceLayer::new_for_http())
        .layer(CorsLayer::permissive())
        .layer(sessions.clone());
    check(outside.service_fn(show_user), &ann).await;
    // hyper's usual body is built of nothing.
    let boxed = async |request: Request<Body>| {
        let response = show_user(request).await;
        response.map(|response| response.map(BoxBody::<Bytes, Infallible>::new))
    };
    check(stack().service_fn(boxed), &ann).await;

    let page = async |session: CurrentSession| session.user().to_string();
    let router = || Router::<()>::new().route("/", get(page));
    check(router().layer(sessions.clone()), &ann).await;
    let both = ServiceBuilder::new().layer(sessions.clone()).layer(CompressionLayer::new());
    check(router().layer(both), &ann).await;
    let both = ServiceBuilder::new().layer(CompressionLayer::new()).layer(sessions.clone());
    check(router().layer(both), &ann).await;
    let same_body = MapResponseBodyLayer::new(axum::body::Body::new);
    check(router().layer(option_layer(Some((same_body, sessions)))), &ann).await;
}
