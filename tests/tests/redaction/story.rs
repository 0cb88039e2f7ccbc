//! What happens.

use std::time::Duration;

use axum::http::StatusCode;
use identity_provider::{Endpoint, Fault, ScriptedResponse};
use serde_json::json;
use session_core::manager::Rotation;
use session_core::store::{KeyRotation as _, Reseal, SessionLookup as _};
use session_core::testing::sample;
use session_core::{EndReason, Keyring, Session};
use session_tests::manager::{rows_of, until_real};
use session_tower::CookieUpdate;

use crate::setting::Setting;

/// Three devices, which is the cap, and then a fourth and a stranger's.
pub(crate) async fn sign_ins(setting: &mut Setting) {
    for _ in 0..4 {
        setting.sign_in("alice").await;
    }
    setting.sign_in("mallory").await;
    let values = (&setting.manager, &setting.provider, &setting.store);
    setting.log.show(&values);
    setting.log.show(&Keyring::parse(&setting.key).unwrap());
    assert_eq!(setting.request_of(&setting.devices[0].secret).await, StatusCode::UNAUTHORIZED);
}

/// Cookies that are live, several, foreign and malformed; and a rotation.
pub(crate) async fn requests(setting: &mut Setting) {
    let foreign = sample::secret();
    setting.secrets.add_secret(&foreign);
    let values = [setting.devices[1].secret.expose(), setting.devices[2].secret.expose()];
    assert_eq!(setting.request(&values[..1]).await, StatusCode::OK);
    assert_eq!(setting.request(&values).await, StatusCode::UNAUTHORIZED);
    for bad in ["a-value-that-is-malformed".to_owned(), "oversized".repeat(1000)] {
        assert_eq!(setting.request(&[&bad]).await, StatusCode::UNAUTHORIZED);
        setting.secrets.add("a malformed value", &bad);
    }
    assert_eq!(setting.request_of(&foreign).await, StatusCode::UNAUTHORIZED);

    let rotated = setting
        .manager
        .rotate_secret(&setting.devices[1].session.user, setting.devices[1].session.id)
        .await
        .unwrap();
    setting.log.show(&rotated);
    setting.log.show(&CookieUpdate::rotated(&rotated));
    let Rotation::Rotated { secret, .. } = rotated else { panic!("nobody else rotates") };
    setting.secrets.add_secret(&secret);
    assert_eq!(setting.request_of(&setting.devices[1].secret).await, StatusCode::OK);
    assert_eq!(setting.request_of(&secret).await, StatusCode::OK);
    setting.devices[1].secret = secret;
}

/// Because it is time, and because the tool said no.
pub(crate) async fn renewals(setting: &mut Setting) {
    setting.later();
    assert!(setting.asks_for_token(1).await);
    let Session { id, user, .. } = setting.devices[1].session.clone();
    let tokens = setting.manager.access_token(&user, id).await.unwrap();
    setting.clock.advance(Duration::from_secs(60));
    let rejected =
        setting.manager.access_token_after_rejection(&user, id, tokens.access_token()).await;
    assert!(!rejected.unwrap().is_access_token(tokens.access_token()));
    setting.note_tokens().await;
}

/// Answers that repeat what was sent, as real ones do, and no answers.
pub(crate) async fn trouble_at_the_provider(setting: &mut Setting) {
    let sent = setting.refresh_token(2).await;
    let says = |error: &str| json!({"error": error, "error_description": sent, "token": sent});
    let answer = |status, body| Fault::respond(ScriptedResponse::json(status, &body));
    let page = ScriptedResponse::new(StatusCode::OK).body(format!("<p>refresh_token={sent}</p>"));
    let faults = [
        answer(StatusCode::SERVICE_UNAVAILABLE, says("invalid_grant")),
        answer(StatusCode::TOO_MANY_REQUESTS, says("slow_down")),
        answer(StatusCode::UNAUTHORIZED, says("invalid_client")),
        answer(StatusCode::BAD_REQUEST, says(&sent)),
        answer(StatusCode::OK, json!({"access_token": [&sent], "refresh_token": sent})),
        Fault::respond(page),
        Fault::close(),
    ];
    for fault in faults {
        setting.later();
        setting.idp.control().push_fault_at(Endpoint::Renewal, fault);
        assert!(!setting.asks_for_token(2).await);
    }
    setting.later();
    let refused = answer(StatusCode::BAD_REQUEST, says("invalid_grant"));
    setting.idp.control().push_fault_at(Endpoint::Renewal, refused);
    assert!(!setting.asks_for_token(2).await);
    assert_eq!(setting.request_of(&setting.devices[2].secret).await, StatusCode::UNAUTHORIZED);
    setting.note_tokens().await;
}

/// It goes away while a rotated token waits for its writing, and under requests.
pub(crate) async fn trouble_at_the_database(setting: &mut Setting) {
    setting.later();
    let (answer, held) = Fault::hold_response();
    setting.idp.control().push_fault_at(Endpoint::Renewal, answer);
    let Session { id, user, .. } = setting.devices[3].session.clone();
    let manager = setting.manager.clone();
    let renewing = tokio::spawn(async move { manager.access_token(&user, id).await });
    held.reached().await;
    let outage = setting.link.cut().await;
    held.release();
    let (log, clock) = (setting.log.clone(), setting.clock.clone());
    until_real("a write that fails", || async {
        clock.advance(Duration::from_millis(20));
        log.text().contains("renewed tokens are not written yet")
    })
    .await;
    let device = &setting.devices[1];
    assert_eq!(setting.request_of(&device.secret).await, StatusCode::SERVICE_UNAVAILABLE);
    let digest = device.secret.digest();
    setting.log.error(setting.manager.resolve(&digest, None).await.unwrap_err());
    setting.log.error(
        setting.manager.access_token(&device.session.user, device.session.id).await.unwrap_err(),
    );
    setting.log.error(
        setting.manager.rotate_secret(&device.session.user, device.session.id).await.unwrap_err(),
    );
    outage.restore().await;
    until_real("the write", || async {
        clock.advance(Duration::from_millis(20));
        renewing.is_finished()
    })
    .await;
    setting.log.show(&renewing.await.unwrap());
    setting.note_tokens().await;
}

/// Two rows' tokens are exchanged.
pub(crate) async fn changed_rows(setting: &mut Setting) {
    let ids = [3, 4].map(|device: usize| setting.devices[device].session.id);
    let [one, other] = [
        setting.store.find(ids[0]).await.unwrap().unwrap(),
        setting.store.find(ids[1]).await.unwrap().unwrap(),
    ];
    let (revisions, tokens) = (
        [one.session.revision, other.session.revision],
        [other.tokens.clone().unwrap(), one.tokens.clone().unwrap()],
    );
    for ((id, revision), tokens) in ids.into_iter().zip(revisions).zip(tokens) {
        let moved = Reseal::new(id, revision, tokens);
        assert_eq!(setting.store.reseal(vec![moved]).await.unwrap(), 1);
    }
    let device = &setting.devices[3];
    assert_eq!(setting.request_of(&device.secret).await, StatusCode::SERVICE_UNAVAILABLE);
    let digest = device.secret.digest();
    setting.log.error(setting.manager.resolve(&digest, None).await.unwrap_err());
    setting.log.error(
        setting.manager.access_token(&device.session.user, device.session.id).await.unwrap_err(),
    );
    setting.log.show(&setting.manager.reseal().await.unwrap());
    setting.log.show(&setting.starts_with(&setting.key).await.unwrap());
}

/// Another key under the same name, and what is no key at all.
pub(crate) async fn wrong_key(setting: &mut Setting) {
    let wrong = Keyring::generate_entry("2026").unwrap().to_string();
    let key = wrong.split_once(':').unwrap().1;
    setting.secrets.add("a wrong sealing key", key);
    setting.log.error(setting.starts_with(&wrong).await.unwrap_err());
    let bad = [key.to_owned(), format!("2026:{}", &key[1..]), format!("{wrong},{wrong}")];
    for text in bad {
        setting.log.error(Keyring::parse(&text).unwrap_err());
    }
    setting.secrets.add("most of a wrong sealing key", &key[1..]);
}

/// Signing out, with the provider away at first; the administrator; the purge; the shutdown.
pub(crate) async fn ends(setting: &mut Setting) {
    let Session { id, user, .. } = setting.devices[1].session.clone();
    assert!(setting.manager.sign_out(&user, id).await.unwrap());
    assert_eq!(setting.request_of(&setting.devices[1].secret).await, StatusCode::UNAUTHORIZED);
    setting.log.error(setting.manager.access_token(&user, id).await.unwrap_err());
    for person in ["alice", "mallory"] {
        let user = sample::user(person);
        setting.log.show(&setting.manager.list(&user, None).await.unwrap());
        setting.manager.end_all(&user, None, EndReason::RevokedByAdmin).await.unwrap();
    }
    for waiting in rows_of(&setting.store).await {
        setting.log.show(&waiting);
    }
    setting.idp.control().push_fault_at(Endpoint::Revocation, Fault::close());
    setting.log.show(&setting.manager.process_revocations(100).await.unwrap());
    setting.clock.advance(Duration::from_secs(3600));
    setting.log.show(&setting.manager.process_revocations(100).await.unwrap());
    setting.clock.advance(Duration::from_secs(365 * 24 * 3600));
    setting.log.show(&setting.manager.purge().await.unwrap());
    assert!(setting.manager.shutdown(Duration::from_secs(1)).await);
}
