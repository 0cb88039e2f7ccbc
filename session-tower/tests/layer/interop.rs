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
