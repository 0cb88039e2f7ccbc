//! Another system's cookie values, and secrets that are rotated (F36, S7).

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response, StatusCode};
use session_core::EndReason;
use session_core::session::SecretDigest;
use session_core::store::{SessionLifecycle as _, SessionLookup as _};
use session_core::testing::sample::Login;
use session_core::testing::{Fault, Method, sample};
use session_tower::{CookieUpdate, CurrentSession, LegacyFormat, SessionCookie};
use tower::{Layer, ServiceExt as _, service_fn};

use crate::site::{
    Body, Site, SiteService, cookie as session_cookie, keyring, send, show_user, until,
};

const UUID: &str = "0190f5b2-1c3d-4e4f-8a9b-0c1d2e3f4a5b";

/// Stores a session whose cookie holds another system's value.
async fn import(site: &Site, value: &str) -> session_core::SessionId {
    import_with(site, Some(SecretDigest::of(value))).await
}

async fn import_with(site: &Site, digest: Option<SecretDigest>) -> session_core::SessionId {
    let login = Login::of("ann", "okta").imported();
    let new = login.new_session_sealed_by(&keyring()).with_digest(digest);
    let admit_all = |_: &[session_core::policy::AdmittedSession]| {
        session_core::policy::Verdict::Admit(Vec::new())
    };
    site.store.admit(new, &admit_all).await.unwrap();
    site.store.reset_calls();
    login.id()
}

fn cookie() -> SessionCookie {
    SessionCookie::builder().name("oauth_session_id").legacy(LegacyFormat::Uuid).build().unwrap()
}

fn service(site: &Site) -> impl SiteService {
    site.layer().with_cookie(cookie()).layer(service_fn(show_user))
}

fn old() -> String {
    format!("oauth_session_id={UUID}")
}

#[tokio::test]
async fn a_legacy_value_is_replaced_at_first_use_and_accepted_meanwhile() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let service = service(&site);
    let answer = send(&service, &[&old()]).await;
    assert_eq!(answer.text, "ann");
    let new = answer.new_cookie();
    assert!(new.starts_with("oauth_session_id=") && new.len() == "oauth_session_id=".len() + 43);
    // The response may not have arrived: the old value is accepted, and not replaced again.
    site.store.reset_calls();
    for _ in 0..5 {
        let answer = send(&service, &[&old()]).await;
        assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("ann", true));
    }
    assert_eq!(site.store.calls(Method::RotateSecret), 0);
    assert_eq!(site.store.calls(Method::FindByDigest), 1);
    let answer = send(&service, &[&new]).await;
    assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("ann", true));
    // The new value has arrived: the old one is accepted for 30 s more.
    until(|| site.store.calls(Method::ConfirmRotation) == 1).await;
    site.advance(31);
    let answer = send(&service, &[&old()]).await;
    assert_eq!((answer.text.as_str(), answer.clears_cookie()), ("anonymous", true));
    assert_eq!(send(&service, &[&new]).await.text, "ann");
}

#[tokio::test]
async fn one_of_several_concurrent_requests_replaces_a_legacy_value() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let service = service(&site);
    site.store.set(Method::Find, Fault::HangAfter);
    let requests: Vec<_> = (0..5).map(|_| crate::site::spawn(&service, &old())).collect();
    site.store.until_hanging(Method::Find, 5).await;
    site.store.clear(Method::Find);
    let mut replaced = 0;
    for request in requests {
        let answer = request.await.unwrap();
        assert_eq!(answer.text, "ann");
        replaced += usize::from(!answer.keeps_cookie());
    }
    assert_eq!(replaced, 1);
}

#[tokio::test]
async fn a_new_secret_whose_response_was_lost_is_replaced_after_a_minute() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let service = service(&site);
    let lost = send(&service, &[&old()]).await.new_cookie();
    site.advance(59);
    assert!(send(&service, &[&old()]).await.keeps_cookie());
    site.advance(2);
    let new = send(&service, &[&old()]).await.new_cookie();
    assert_ne!(new, lost);
    assert_eq!(send(&service, &[&new]).await.text, "ann");
    assert_eq!(send(&service, &[&lost]).await.text, "anonymous");
}

#[tokio::test]
async fn s5_legacy_values_are_accepted_only_where_configured_and_in_their_form() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let plain = SessionCookie::builder().name("oauth_session_id").build().unwrap();
    let answer =
        send(&site.layer().with_cookie(plain).layer(service_fn(show_user)), &[&old()]).await;
    assert!(answer.text == "anonymous" && answer.keeps_cookie());
    for value in [
        UUID.to_uppercase(),
        UUID.replace('-', ""),
        format!("{{{UUID}}}"),
        format!("urn:uuid:{UUID}"),
        UUID.replace('a', "g"),
        UUID.replacen('0', "-", 1),
    ] {
        let answer = send(&service(&site), &[&format!("oauth_session_id={value}")]).await;
        assert!(answer.text == "anonymous" && answer.keeps_cookie(), "{value}");
    }
    assert_eq!(site.store.total_calls(), 0);
}

#[tokio::test]
async fn a_custom_check_decides_what_a_legacy_value_is() {
    let site = Site::new().await;
    import(&site, "old-17").await;
    let is_ours = |value: &str| value.starts_with("old-");
    let cookie = SessionCookie::builder().legacy(LegacyFormat::Custom(is_ours)).build().unwrap();
    let service = site.layer().with_cookie(cookie).layer(service_fn(show_user));
    assert!(send(&service, &["__Host-session=new-17"]).await.clears_cookie());
    assert!(send(&service, &["__Host-session="]).await.clears_cookie());
    let oversized = format!("__Host-session=old-{}", "7".repeat(253));
    assert!(send(&service, &[&oversized]).await.clears_cookie());
    assert!(send(&service, &["__Host-session=old-é"]).await.clears_cookie());
    assert_eq!(site.store.total_calls(), 0);
    let answer = send(&service, &["__Host-session=old-17"]).await;
    assert_eq!(answer.text, "ann");
    answer.new_cookie();
}

#[tokio::test]
async fn f36_a_replaced_secret_reaches_the_client_on_error_responses_too() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let service = site.layer().with_cookie(cookie()).layer(service_fn(|_: Request<Body>| async {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok::<_, Infallible>(response)
    }));
    let answer = send(&service, &[&old()]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(send(&self::service(&site), &[&answer.new_cookie()]).await.text, "ann");
}

#[tokio::test]
async fn a_rotation_that_fails_fails_no_request() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let service = service(&site);
    site.store.set_next(Method::RotateSecret, Fault::AWAY);
    let answer = send(&service, &[&old()]).await;
    assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("ann", true));
    send(&service, &[&old()]).await.new_cookie();
}

#[tokio::test]
async fn a_session_that_ends_before_its_rotation_gets_no_cookie() {
    let site = Site::new().await;
    let id = import(&site, UUID).await;
    let service = service(&site);
    site.store.set_next(Method::Find, Fault::HangBefore);
    let request = crate::site::spawn(&service, &old());
    site.store.until_hanging(Method::Find, 1).await;
    site.store
        .end(
            session_core::store::EndTarget::One { id, user: None },
            EndReason::RevokedByAdmin.into(),
            sample::now(),
        )
        .await
        .unwrap();
    site.store.release(Method::Find);
    // The request was served before; the next one is told.
    let answer = request.await.unwrap();
    assert!(answer.text == "ann" && answer.keeps_cookie(), "{answer:?}");
    site.advance(6);
    assert_eq!(send(&service, &[&old()]).await.text, "ended: revoked_by_admin");
}

/// A migrated value that has the form of a secret.
const LOOKALIKE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";

#[tokio::test]
async fn a_migrated_value_that_looks_like_a_secret_is_replaced_too() {
    let site = Site::new().await;
    import(&site, LOOKALIKE).await;
    let is_theirs = |value: &str| value.len() == LOOKALIKE.len();
    let cookie = SessionCookie::builder().legacy(LegacyFormat::Custom(is_theirs)).build().unwrap();
    let service = site.layer().with_cookie(cookie).layer(service_fn(show_user));
    let old = format!("__Host-session={LOOKALIKE}");
    let answer = send(&service, &[&old]).await;
    assert_eq!(answer.text, "ann");
    let new = answer.new_cookie();
    assert_ne!(new, old);
    for _ in 0..3 {
        let answer = send(&service, &[&new]).await;
        assert!(answer.text == "ann" && answer.keeps_cookie(), "once: {answer:?}");
    }
}

#[tokio::test]
async fn s5_a_migrated_value_that_looks_like_a_secret_is_accepted_only_in_the_configured_format() {
    let site = Site::new().await;
    import(&site, LOOKALIKE).await;
    let raw = format!("__Host-session={LOOKALIKE}");
    let signed = LegacyFormat::decoded(|value| value.strip_suffix(".signed").map(str::to_owned));
    let signed = SessionCookie::builder().legacy(signed).build().unwrap();
    let uuids = SessionCookie::builder().legacy(LegacyFormat::Uuid).build().unwrap();
    for cookie in [SessionCookie::default(), uuids, signed.clone()] {
        let service = site.layer().with_cookie(cookie).layer(service_fn(show_user));
        for _ in 0..2 {
            let answer = send(&service, &[&raw]).await;
            assert!(answer.text == "anonymous" && answer.clears_cookie(), "{answer:?}");
        }
    }
    let service = site.layer().with_cookie(signed).layer(service_fn(show_user));
    let answer = send(&service, &[&format!("{raw}.signed")]).await;
    assert_eq!(answer.text, "ann");
    assert_eq!(send(&service, &[&answer.new_cookie()]).await.text, "ann");
}

#[tokio::test]
async fn a_claimed_session_keeps_the_secret_that_its_device_got() {
    let site = Site::new().await;
    import_with(&site, None).await;
    let (user, provider) = (sample::user("ann"), sample::provider("okta"));
    let claimed = site.manager.claim(&user, &provider, None).await.unwrap();
    let answer = send(&site.service(), &[&session_cookie(&claimed.secret)]).await;
    assert!(answer.text == "ann" && answer.keeps_cookie(), "{answer:?}");
}

#[tokio::test]
async fn a_signed_value_is_decoded_before_it_is_looked_up() {
    let site = Site::new().await;
    import(&site, "sid-17").await;
    // Express writes `s:` + id + `.` + signature, percent-encoded.
    let key = "signed-with-the-old-key".to_owned();
    let express = LegacyFormat::decoded(move |value| {
        let (id, signature) = value.strip_prefix("s%3A")?.split_once('.')?;
        (signature == key).then(|| id.to_owned())
    });
    let cookie = SessionCookie::builder().name("connect.sid").legacy(express).build().unwrap();
    let service = site.layer().with_cookie(cookie).layer(service_fn(show_user));
    for forged in ["s%3Asid-17.forged", "s%3Asid-17", "sid-17"] {
        let answer = send(&service, &[&format!("connect.sid={forged}")]).await;
        assert_eq!(answer.text, "anonymous", "{forged}");
    }
    assert_eq!(site.store.total_calls(), 0);
    let signed = "connect.sid=s%3Asid-17.signed-with-the-old-key";
    let answer = send(&service, &[signed]).await;
    assert_eq!(answer.text, "ann");
    let new = answer.new_cookie();
    assert_eq!(send(&service, &[&new]).await.text, "ann");
}

#[tokio::test]
async fn f36_a_request_whose_inner_service_fails_loses_no_new_secret() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let fails = Arc::new(AtomicBool::new(true));
    let inner = service_fn({
        let fails = fails.clone();
        move |_: Request<Body>| {
            let fails = fails.load(Ordering::Relaxed);
            async move { if fails { Err("down") } else { Ok(Response::new(Body::default())) } }
        }
    });
    let service = site.layer().with_cookie(cookie()).layer(inner);
    let failed = service.clone().oneshot(crate::site::request(&[&old()])).await;
    assert_eq!(failed.err(), Some("down"));
    assert_eq!(site.store.calls(Method::RotateSecret), 0, "no response carries it");
    fails.store(false, Ordering::Relaxed);
    let response = service.oneshot(crate::site::request(&[&old()])).await.unwrap();
    let new = crate::site::Answer::of(response).await.new_cookie();
    assert_eq!(send(&self::service(&site), &[&new]).await.text, "ann");
}

#[tokio::test]
async fn f36_a_client_that_hangs_up_before_the_answer_loses_no_new_secret() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let never = service_fn(|_: Request<Body>| async {
        std::future::pending::<Result<Response<Body>, Infallible>>().await
    });
    let service = site.layer().with_cookie(cookie()).layer(never);
    let request = crate::site::spawn(&service, &old());
    until(|| site.store.calls(Method::FindByDigest) == 1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(site.store.calls(Method::RotateSecret), 0);
}

#[tokio::test]
async fn s2_a_new_sign_in_with_a_legacy_value_supersedes_its_session() {
    use session_tower::PresentedCookie;

    let site = Arc::new(Site::new().await);
    let imported = import(&site, UUID).await;
    let login = site.layer().with_cookie(cookie()).layer(service_fn({
        let site = site.clone();
        move |request: Request<Body>| {
            let site = site.clone();
            async move {
                let presented = PresentedCookie::of(request.extensions()).unwrap();
                let sign_in = site.login("ann").supersedes(presented.digests());
                let signed_in = site.manager.sign_in(sign_in).await.unwrap();
                let mut response = Response::new(Body::default());
                response.extensions_mut().insert(CookieUpdate::signed_in(&signed_in));
                Ok::<_, Infallible>(response)
            }
        }
    }));
    // A new secret would be due; the cookie of the sign-in prevails, and nothing is rotated.
    let new = send(&login, &[&old()]).await.new_cookie();
    assert_eq!(send(&service(&site), &[&new]).await.text, "ann");
    let ended = site.store.find(imported).await.unwrap().unwrap().session.ended.unwrap();
    assert_eq!(ended.reason, EndReason::Superseded);
}

#[tokio::test]
async fn the_handlers_update_prevails_over_the_layers_own() {
    let site = Arc::new(Site::new().await);
    import(&site, UUID).await;
    let layer = site.layer().with_cookie(cookie());
    let rotating = layer.clone().layer(service_fn({
        let site = site.clone();
        move |request: Request<Body>| {
            let site = site.clone();
            async move {
                let current = request.extensions().get::<CurrentSession>().unwrap();
                let rotated =
                    site.manager.rotate_secret(current.user(), current.id()).await.unwrap();
                let mut response = Response::new(Body::default());
                response.extensions_mut().insert(CookieUpdate::rotated(&rotated));
                Ok::<_, Infallible>(response)
            }
        }
    }));
    // The handler has rotated, and the layer does not rotate again.
    let new = send(&rotating, &[&old()]).await.new_cookie();
    assert_eq!(site.store.calls(Method::RotateSecret), 1);
    assert_eq!(send(&service(&site), &[&new]).await.text, "ann");
    let signing_out = layer.layer(service_fn(|_: Request<Body>| async {
        let mut response = Response::new(Body::default());
        response.extensions_mut().insert(CookieUpdate::signed_out());
        Ok::<_, Infallible>(response)
    }));
    site.advance(61);
    import(&site, "0190f5b2-1c3d-4e4f-8a9b-0c1d2e3f4a5c").await;
    let other = "oauth_session_id=0190f5b2-1c3d-4e4f-8a9b-0c1d2e3f4a5c";
    assert!(send(&signing_out, &[other]).await.clears_cookie());
    assert_eq!(site.store.calls(Method::RotateSecret), 0, "the handler has decided");
}

#[tokio::test]
async fn a_legacy_cookie_with_a_domain_is_cleared_beside_the_new_one() {
    let site = Site::new().await;
    import(&site, UUID).await;
    let cookie = SessionCookie::builder()
        .name("oauth_session_id")
        .legacy(LegacyFormat::Uuid)
        .legacy_domain("example.com")
        .build()
        .unwrap();
    let layer = site.layer().with_cookie(cookie);
    let removal = "oauth_session_id=; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; \
                   Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    let answer = send(&layer.clone().layer(service_fn(show_user)), &[&old()]).await;
    assert_eq!(answer.text, "ann");
    assert_eq!(answer.set_cookie.len(), 2);
    assert_eq!(answer.set_cookie[0], removal);
    assert!(!answer.set_cookie[1].contains("Domain"), "{answer:?}");
    let signing_out = layer.layer(service_fn(|_: Request<Body>| async {
        let mut response = Response::new(Body::default());
        response.extensions_mut().insert(CookieUpdate::signed_out());
        Ok::<_, Infallible>(response)
    }));
    let answer = send(&signing_out, &[]).await;
    assert_eq!(answer.set_cookie[0], removal);
    assert!(answer.set_cookie[1].starts_with("oauth_session_id=; HttpOnly"), "{answer:?}");
    for domain in ["", "example.com; Secure", "exämple.com"] {
        let cookie = SessionCookie::builder().name("old").legacy_domain(domain);
        assert_eq!(cookie.build().unwrap_err().field(), "legacy_domain", "{domain}");
    }
    let prefixed = SessionCookie::builder().legacy_domain("example.com");
    assert_eq!(prefixed.build().unwrap_err().field(), "legacy_domain");
}
