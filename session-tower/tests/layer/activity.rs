//! Activity keeps a session alive, without a write at each request (T3, F34).

use std::time::Duration;

use session_core::testing::{Fault, Method};

use crate::site::{Site, cookie, send, until};

#[tokio::test]
async fn activity_keeps_a_session_alive_with_a_write_at_most_once_in_an_interval() {
    let idle = Duration::from_secs(600);
    let site = Site::with_policy(|policy| policy.idle_timeout(idle)).await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    let interval = site.manager.policy().touch_interval();
    assert_eq!(interval, Duration::from_secs(60));
    for _ in 0..720 {
        site.advance(10);
        assert_eq!(send(&service, &[&ann]).await.text, "ann");
        // A request that waits for nothing leaves no turn to the task that writes.
        tokio::task::yield_now().await;
    }
    // Two hours with a request every ten seconds: twelve idle timeouts, one write per minute.
    let touches = site.store.calls(Method::Touch);
    assert!((100..=120).contains(&touches), "{touches}");
    site.clock.advance(idle);
    assert_eq!(send(&service, &[&ann]).await.text, "ended: idle");
}

#[tokio::test]
async fn a_last_use_counts_before_it_is_written() {
    let idle = Duration::from_secs(600);
    let site = Site::with_policy(|policy| policy.idle_timeout(idle)).await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    site.store.set(Method::Touch, Fault::AWAY);
    for _ in 0..4 {
        site.advance(200);
        assert_eq!(send(&service, &[&ann]).await.text, "ann");
        until(|| site.store.calls(Method::Touch) > 0).await;
        site.store.reset_calls();
    }
}

#[tokio::test]
async fn anonymous_and_refused_requests_are_not_a_use_of_a_session() {
    let idle = Duration::from_secs(600);
    let site = Site::with_policy(|policy| policy.idle_timeout(idle)).await;
    let (ann, bob) = (site.sign_in("ann").await, site.sign_in("bob").await);
    let bobs = {
        use session_core::testing::sample;
        use tower::{Layer, service_fn};
        let only_bob = |_: &http::HeaderMap, _: &http::Extensions| Some(sample::user("bob"));
        site.layer().with_user(only_bob).layer(service_fn(crate::site::show_user))
    };
    let (ann, bob) = (cookie(&ann.secret), cookie(&bob.secret));
    assert_eq!(send(&site.service(), &[&ann]).await.text, "ann");
    for _ in 0..2 {
        site.advance(300);
        assert_eq!(send(&bobs, &[&bob]).await.text, "bob");
        assert_eq!(send(&bobs, &[&ann]).await.text, "anonymous");
    }
    assert_eq!(send(&site.service(), &[&ann]).await.text, "ended: idle");
}
