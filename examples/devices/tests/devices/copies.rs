//! Several copies on one database.

use reqwest::{Method, StatusCode};
use std::time::Duration;

use crate::browser::Browser;
use crate::program::{Copy, Directory};

#[tokio::test]
async fn a_second_copy_on_the_database_sees_an_end_of_the_first() {
    let directory = Directory::new();
    let flags = ["--max-staleness-ms", "300"];
    let first = Copy::start(&directory, &flags);
    let second = first.start_another(&directory, &flags);
    assert_eq!(second.issuer, first.issuer);
    let phone = Browser::signed_in(&first.address, "alice").await;
    let laptop = Browser::signed_in(&second.address, "alice").await;
    let id = laptop.session_id(&second.address).await;
    assert_eq!(laptop.session_id(&first.address).await, id);

    let url = format!("{}/api/sessions/{id}", first.address);
    assert_eq!(phone.send(Method::DELETE, &url).await.status(), StatusCode::NO_CONTENT);
    // The bound is 300 ms: a later request must be rejected.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (status, why) = laptop.me(&second.address).await;
    assert_eq!((status, &why["reason"]), (StatusCode::UNAUTHORIZED, &"revoked_by_user".into()));
    phone.session_id(&second.address).await;
}

#[tokio::test]
async fn copies_that_start_at_once_share_tables_and_keys() {
    let directory = Directory::new();
    let copies = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| Copy::start(&directory, &[]))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Vec<_>>()
    });
    let alice = Browser::signed_in(&copies[0].address, "alice").await;
    let id = alice.session_id(&copies[0].address).await;
    for copy in &copies {
        assert_eq!(alice.session_id(&copy.address).await, id);
        let health = Browser::new().get(&format!("{}/healthz", copy.address)).await;
        assert_eq!(health.status(), StatusCode::OK);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_shutdown_closes_open_streams_and_exits_with_zero() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &[]);
    let alice = Browser::signed_in(&copy.address, "alice").await;
    let mut events = alice.get(&format!("{}/api/events", copy.address)).await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let opened = events.chunk().await.unwrap().unwrap();
    assert!(opened.starts_with(b":"), "{opened:?}");
    assert!(copy.terminate().success());
    assert!(events.chunk().await.unwrap().is_none(), "no event: the session has not ended");
}
