//! The self-check: two browsers send requests to the server.

use std::error::Error;

use bytes::Bytes;
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::{print, serve, site};

/// A browser: a connection and a cookie.
struct Browser {
    connection: SendRequest<Empty<Bytes>>,
    cookie: String,
}

impl Browser {
    async fn open(address: std::net::SocketAddr) -> Result<Self, Box<dyn Error>> {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (connection, driver) = handshake(stream).await?;
        tokio::spawn(driver);
        Ok(Self { connection, cookie: String::new() })
    }

    /// Sends a request and checks its answer.
    async fn expect(
        &mut self,
        method: Method,
        uri: &str,
        status: StatusCode,
        text: &str,
    ) -> Result<(), Box<dyn Error>> {
        let step = format!("{method} {uri}");
        let request = Request::builder().method(method).uri(uri).header(HOST, "localhost");
        let request = request.header(COOKIE, &self.cookie).body(Empty::new())?;
        self.connection.ready().await?;
        let (parts, body) = self.connection.send_request(request).await?.into_parts();
        if let Some(set_cookie) = parts.headers.get(SET_COOKIE) {
            self.cookie = set_cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        }
        let answer = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        if parts.status == status && answer.contains(text) {
            print(&format!("ok      {step}: {}", answer.trim()));
            Ok(())
        } else {
            Err(format!("{step}: expected {status} {text}, got {} {answer}", parts.status).into())
        }
    }
}

/// Signs two browsers in and one of them out, and checks what each sees.
pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let site = site::site().await?;
    tokio::spawn(async move { serve(listener, site).await.is_ok() });

    let (mut phone, mut laptop) = (Browser::open(address).await?, Browser::open(address).await?);
    let (ok, unauthorized) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    phone.expect(Method::GET, "/", ok, "not signed in").await?;
    phone.expect(Method::POST, "/sign-out", unauthorized, "no_session").await?;
    phone.expect(Method::POST, "/sign-in?user=ann", ok, "welcome, ann").await?;
    laptop.expect(Method::POST, "/sign-in?user=ann", ok, "welcome, ann").await?;
    phone.expect(Method::GET, "/", ok, "signed in as ann").await?;
    laptop.expect(Method::GET, "/", ok, "signed in as ann").await?;
    let old = phone.cookie.clone();
    phone.expect(Method::POST, "/sign-out", ok, "bye").await?;
    phone.expect(Method::GET, "/", ok, "not signed in").await?;
    phone.cookie = old;
    phone.expect(Method::GET, "/", ok, "no longer signed in: signed_out").await?;
    laptop.expect(Method::GET, "/", ok, "signed in as ann").await?;
    laptop.cookie = "session=planted".to_owned();
    laptop.expect(Method::GET, "/", ok, "not signed in").await?;
    if laptop.cookie != "session=" {
        return Err("a planted cookie was not cleared".into());
    }
    print("all steps passed");
    Ok(())
}
