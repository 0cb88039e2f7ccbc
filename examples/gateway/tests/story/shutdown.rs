//! What becomes of a request in progress where a service manager ends the gateway.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::Device;
use crate::processes::{Folder, SharedClock, gateway, provider};

/// How long the gateway may take to notice the signal, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

#[tokio::test]
async fn sigterm_lets_a_request_in_progress_finish() {
    let folder = Folder::new("shutdown");
    let clock = SharedClock::new(&folder);
    let provider = provider(&clock);
    let (arrived, answers) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (here, held) = (Arc::clone(&arrived), Arc::clone(&answers));
    let slow = move || async move {
        here.add_permits(1);
        held.acquire().await.unwrap().forget();
        "done"
    };
    let upstream = Router::new().route("/who", get(|| async { "ann" })).route("/slow", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, upstream).await });
    let mut process = gateway(&folder, &clock, (&provider, &address)).await;

    let laptop = Device::signed_in(&process).await;
    let (http, url) = (laptop.http.clone(), format!("{}/slow", process.address));
    let request = tokio::spawn(async move { http.get(url).send().await });
    arrived.acquire().await.unwrap().forget();
    process.terminate();
    let new = reqwest::Client::builder().no_proxy().build().unwrap();
    until("it takes no new connections", async || new.get(&process.address).send().await.is_err())
        .await;
    answers.add_permits(1);
    let answer = request.await.unwrap().unwrap();
    assert_eq!(
        (answer.status(), answer.text().await.unwrap()),
        (StatusCode::OK, "done".to_owned())
    );
    let mut status = None;
    until("it ends", async || {
        status = process.ended();
        status.is_some()
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}
