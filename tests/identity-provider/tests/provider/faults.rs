//! Scripted faults.

use std::time::Duration;

use identity_provider::{Endpoint, Fault, RenewalOutcome, ScriptedResponse};
use openidconnect::OAuth2TokenResponse;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::json;

use crate::site::{Site, Tokens, assert_error, refresh_token};

#[tokio::test]
async fn scripted_responses_are_sent_in_order_without_effect() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let lying = ScriptedResponse::json(
        StatusCode::SERVICE_UNAVAILABLE,
        &json!({ "error": "invalid_grant" }),
    );
    site.control().push_fault(Fault::respond(lying));
    let busy = ScriptedResponse::new(StatusCode::TOO_MANY_REQUESTS).retry_after_seconds(7);
    site.control().push_fault(Fault::respond(busy));
    site.control()
        .push_fault(Fault::respond(ScriptedResponse::new(StatusCode::OK).body("{not json")));

    assert_error(site.renew(refresh_token(&tokens)).await, 503, "invalid_grant").await;
    let busy = site.renew(refresh_token(&tokens)).await;
    assert_eq!((busy.status().as_u16(), busy.headers()[RETRY_AFTER].to_str().unwrap()), (429, "7"));
    let broken = site.renew(refresh_token(&tokens)).await;
    assert_eq!(
        (broken.status().as_u16(), broken.text().await.unwrap()),
        (200, "{not json".to_owned())
    );

    let stats = site.control().stats();
    assert_eq!((stats.token_requests, stats.renewals, stats.reuse_detected), (4, 0, 0));
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_lost_response_has_rotated_the_token() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    site.control().push_fault(Fault::lose_response());
    assert!(try_renew(&site, &tokens).await.is_err());
    assert_eq!(site.control().stats().renewals, 1);
    // A retry presents a used token.
    assert_error(site.renew(refresh_token(&tokens)).await, 400, "invalid_grant").await;
    assert_eq!(site.control().stats().reuse_detected, 1);
}

#[tokio::test]
async fn renewals_are_recorded_with_what_became_of_them() {
    let site = Site::start().await;
    let (laptop, phone) = (site.sign_in("alice").await, site.sign_in("bob").await);
    assert_eq!(site.renew(refresh_token(&phone)).await.status(), StatusCode::OK);
    site.control().configure(|settings| settings.record_renewals = true);
    site.control().push_fault(Fault::lose_response());
    assert!(try_renew(&site, &laptop).await.is_err());
    assert_error(site.renew(refresh_token(&laptop)).await, 400, "invalid_grant").await;
    let records = site.control().take_renewals();
    let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
    let expected = [RenewalOutcome::Renewed, RenewalOutcome::ResponseLost, RenewalOutcome::Reused];
    assert_eq!(outcomes, expected);
    assert!(records.iter().all(|record| record.subject == "alice" && record.sid == records[0].sid));
    assert!(site.control().take_renewals().is_empty());
}

#[tokio::test]
async fn a_closed_connection_has_not_rotated_the_token() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    site.control().push_fault(Fault::close());
    let failed = try_renew(&site, &tokens).await.unwrap_err();
    assert!(failed.status().is_none());
    assert_eq!(site.control().stats().renewals, 0);
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_held_request_takes_effect_after_its_release() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let (fault, held) = Fault::hold_request();
    site.control().push_fault(fault);
    let check = async {
        held.reached().await;
        assert_eq!(site.control().stats().renewals, 0);
        held.release();
    };
    let (answer, ()) = tokio::join!(site.renew(refresh_token(&tokens)), check);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(site.control().stats().renewals, 1);
}

#[tokio::test]
async fn a_request_with_a_held_response_has_taken_effect() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let (fault, held) = Fault::hold_response();
    site.control().push_fault(fault);
    let check = async {
        held.reached().await;
        assert_eq!(site.control().stats().renewals, 1);
        drop(held);
    };
    let (answer, ()) = tokio::join!(site.renew(refresh_token(&tokens)), check);
    assert!(site.is_good(&answer.json().await.unwrap()).await);
}

#[tokio::test]
async fn a_disconnecting_client_does_not_undo_the_rotation() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let (fault, held) = Fault::hold_request();
    site.control().push_fault(fault);
    tokio::select! {
        _ = try_renew(&site, &tokens) => panic!("nothing was released"),
        () = held.reached() => {}
    }
    // During these requests the server notices the disconnect.
    for _ in 0..3 {
        assert!(site.is_good(&tokens).await);
    }
    held.release();
    let rotated = async {
        while site.control().stats().renewals == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), rotated).await.expect("the renewal takes effect");
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_cleared() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let down = ScriptedResponse::new(StatusCode::SERVICE_UNAVAILABLE);
    site.control().set_outage(Endpoint::Token, Some(down));
    for _ in 0..3 {
        assert_eq!(
            site.renew(refresh_token(&tokens)).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    site.control().set_outage(Endpoint::Token, None);
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_fault_applies_to_its_endpoint_only() {
    let site = Site::start().await;
    let down = || Fault::respond(ScriptedResponse::new(StatusCode::BAD_GATEWAY));
    site.control().push_fault_at(Endpoint::Renewal, down());
    site.control().push_fault_at(Endpoint::UserInfo, down());
    site.control().push_fault_at(Endpoint::Revocation, down());
    let tokens = site.sign_in("alice").await;
    assert_eq!(site.control().pending_faults(), 3);
    assert_eq!(
        site.userinfo(tokens.access_token().secret()).await.status(),
        StatusCode::BAD_GATEWAY
    );
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::BAD_GATEWAY);
    assert!(site.is_good(&tokens).await);
    assert_eq!(site.control().pending_faults(), 1);
    site.control().clear_faults();
    assert_eq!(site.control().pending_faults(), 0);
}

#[tokio::test]
async fn the_latency_delays_the_response() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let latency = Duration::from_millis(50);
    site.control().set_latency(latency);
    let started = tokio::time::Instant::now();
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
    assert!(started.elapsed() >= latency);
}

#[tokio::test]
async fn a_restarted_provider_keeps_its_state() {
    let provider = identity_provider::IdentityProvider::builder().auto_login(true).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = provider.clone().spawn(listener).unwrap();
    let stats = format!("{}/stats", running.issuer().as_str());
    let address = running.address();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(http.get(&stats).send().await.is_ok());
    running.shutdown().await;
    assert!(http.get(&stats).send().await.is_err());

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _running = provider.spawn(listener).unwrap();
    assert!(http.get(&stats).send().await.is_ok());
}

async fn try_renew(site: &Site, tokens: &Tokens) -> reqwest::Result<reqwest::Response> {
    site.try_token_request(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token(tokens)),
    ])
    .await
}
