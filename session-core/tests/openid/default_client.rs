//! The default HTTP client, against a server of a few bytes.

use std::time::Duration;

use openidconnect::HttpRequest;
use session_core::provider::openid::{DefaultHttpClient, HttpClient as _, OpenIdProvider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::everything_shown;

/// Answers each connection with these bytes; without any it never answers.
async fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                match answer {
                    "" => std::future::pending().await,
                    answer => stream.write_all(answer.as_bytes()).await.unwrap(),
                }
            });
        }
    });
    address
}

fn request(address: &str) -> HttpRequest {
    let mut request = HttpRequest::new(Vec::new());
    *request.uri_mut() = format!("{address}/path?code=secret-code").parse().unwrap();
    request
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let client = DefaultHttpClient::new().unwrap();
    let response = client.send(request(&server(elsewhere).await)).await.unwrap();
    assert_eq!(response.status(), 302);
}

#[tokio::test]
async fn a_response_may_have_the_limit_and_no_more() {
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345").await;
    let client = |max| DefaultHttpClient::new().unwrap().with_max_bytes(max);
    assert_eq!(client(5).send(request(&address)).await.unwrap().body(), b"12345");
    let error = client(4).send(request(&address)).await.unwrap_err();
    assert_eq!(error.to_string(), "the response is longer than 4 bytes");
    // A body without a length is counted as it comes.
    let endless =
        server("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n").await;
    assert!(client(4).send(request(&endless)).await.unwrap_err().to_string().contains("4 bytes"));
}

#[tokio::test]
async fn a_server_that_hangs_or_is_away_is_given_up_without_showing_the_address() {
    let client = DefaultHttpClient::new().unwrap().with_timeout(Duration::from_millis(50));
    for address in [server("").await, "http://127.0.0.1:1".to_owned()] {
        let error = client.send(request(&address)).await.unwrap_err();
        assert!(!everything_shown(&*error).contains("secret-code"), "{error:?}");
    }
}

#[test]
fn a_missing_variable_is_named_with_what_it_is_for() {
    let error = OpenIdProvider::from_env("QUICKSTART_TEST_NOT_SET").unwrap_err().to_string();
    assert_eq!(
        error,
        "QUICKSTART_TEST_NOT_SET_ISSUER is not set: set it to the issuer of the provider, such as \
         https://id.example"
    );
}
