//! The layer on hyper, over a real connection.

use bytes::Bytes;
use http::Request;
use http::header::COOKIE;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use session_tower::CurrentSession;
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, service_fn};

use crate::site::{Answer, Site, cookie};

#[tokio::test]
async fn it_serves_on_hyper_with_hypers_own_bodies() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let answer = service_fn(|request: Request<hyper::body::Incoming>| async move {
        let current = request.extensions().get::<CurrentSession>();
        let text = current.map_or("nobody".to_owned(), |current| current.user().to_string());
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from(text)))
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
        [(&*ann, "ann"), (&*ann, "ann"), ("a=b", "nobody"), ("__Host-session=x", "nobody")]
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
