//! What is counted, as a scrape shows it; and that dashboard and alerts name exactly that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{Request, Response};
use http_body_util::Empty;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use session_core::manager::{SignIn, SignedIn, StepUp};
use session_core::policy::{OnFull, Rule};
use session_core::provider::ProviderErrorKind;
use session_core::session::{Origin, SecretDigest};
use session_core::store::{NewSession, SecretRotation, StoreErrorKind};
use session_core::testing::{Fault, Method, RenewalScript, sample};
use session_core::token::Resource;
use session_core::{EndReason, Keyring, Session, SessionId, SessionManager};
use session_tests::manager::{LIFETIME, OKTA, Step, World, policy, settle};
use session_tower::SessionLayer;
use tower::{Layer as _, ServiceExt as _};

const SECOND: Duration = Duration::from_secs(1);

/// What an exporter would send.
struct Scrape(PrometheusHandle);

impl Scrape {
    /// Records everything that happens on this thread from now on.
    fn begin(recorder: &PrometheusRecorder) -> (Self, metrics_facade::LocalRecorderGuard<'_>) {
        (Self(recorder.handle()), metrics_facade::set_default_local_recorder(recorder))
    }

    fn value(&self, series: &str) -> f64 {
        let rendered = self.0.render();
        let mut lines = rendered.lines();
        let line = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in:\n{rendered}")).parse().unwrap()
    }

    fn is(&self, series: &str, expected: u32) {
        let value = self.value(series);
        assert!((value - f64::from(expected)).abs() < 1e-6, "{series}: {value}");
    }

    fn names(&self) -> BTreeSet<String> {
        let rendered = self.0.render();
        let series = rendered.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        series.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// Lets time pass, in steps, until a condition holds.
async fn until(world: &World, step: Duration, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        Step(step).pass(&world.clock, step).await;
    }
    panic!("it did not happen");
}

/// The metrics that a text names.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("session_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn sign_ins_and_ends_are_counted_by_kind() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let strict = Rule::for_provider("strict").max_sessions(1).on_full(OnFull::Reject);
    let world = World::with(policy().max_sessions(2).rule(strict)).await;
    scrape.is("session_ended_total{reason=\"evicted\"}", 0);
    let devices = [world.sign_in().await, world.sign_in().await, world.sign_in().await];
    scrape.is("session_admitted_total{origin=\"login\"}", 3);
    scrape.is("session_ended_total{reason=\"evicted\"}", 1);

    let (ann, tool) = (sample::user("ann"), sample::provider("mcp:files"));
    world.manager.connect(&ann, &tool, world.provider.sign_in()).await.unwrap();
    scrape.is("session_admitted_total{origin=\"connection\"}", 1);
    let strict = || SignIn::new(&ann, &sample::provider("strict"), world.provider.sign_in());
    world.manager.sign_in(strict()).await.unwrap();
    assert!(world.manager.sign_in(strict()).await.is_err());
    scrape.is("session_refused_total", 1);

    let last = &devices[2];
    world.manager.sign_out(&ann, last.session.id).await.unwrap();
    scrape.is("session_ended_total{reason=\"signed_out\"}", 1);
    let again = world.login("ann").supersedes([devices[1].secret.digest()]);
    let step_up = StepUp::new(devices[1].session.id, again);
    world.manager.step_up(step_up).await.unwrap();
    scrape.is("session_stepped_up_total", 1);
}

#[tokio::test]
async fn a_claimed_session_is_counted() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let world = World::new().await;
    let (ann, okta, now) = (sample::user("ann"), sample::provider(OKTA), world.manager.now());
    let id = SessionId::generate(now);
    let session = Session::new(id, ann.clone(), okta.clone(), Origin::Imported, now);
    let sealed = sample::tokens().seal(&session_tests::manager::keyring(), id, &ann, &okta);
    let new = NewSession::new(session, sealed.unwrap());
    let admit = |_: &[_]| session_core::policy::Verdict::Admit(Vec::new());
    world.sessions().admit(new, &admit).await.unwrap();
    world.manager.claim(&ann, &okta, None).await.unwrap();
    scrape.is("session_claimed_total", 1);
}

#[tokio::test]
async fn renewals_are_counted_by_outcome_and_so_is_waiting_for_another_node() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let (world, laptop) = World::expired().await;
    let there = world.another().await;
    world.provider.answers().close();
    let here = world.token_later(&laptop);
    until(&world, SECOND / 10, || world.provider.answers().held() == 1).await;
    let elsewhere = there.token_later(&laptop);
    until(&world, SECOND / 10, || scrape.value("session_lease_waits_total") > 0.5).await;
    world.provider.answers().open();
    until(&world, SECOND / 10, || here.is_finished() && elsewhere.is_finished()).await;
    scrape.is("session_renewals_total{outcome=\"renewed\"}", 1);
    scrape.is("session_lease_waits_total", 1);
    scrape.is("session_lease_takeovers_total", 0);

    world.clock.advance(LIFETIME);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, None));
    assert!(world.token(&laptop).await.is_err());
    scrape.is("session_renewals_total{outcome=\"throttled\"}", 1);
    world.clock.advance(SECOND * 600);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Refused, None));
    assert!(world.token(&laptop).await.is_err());
    scrape.is("session_renewals_total{outcome=\"refused\"}", 1);
    scrape.is("session_ended_total{reason=\"renewal_refused\"}", 1);
}

#[tokio::test]
async fn a_renewal_that_waits_is_counted_once_however_often_the_row_changes() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let (world, laptop) = World::expired().await;
    let there = world.another().await;
    world.provider.answers().close();
    let here = world.token_later(&laptop);
    until(&world, SECOND / 10, || world.provider.answers().held() == 1).await;
    let elsewhere = there.token_later(&laptop);
    until(&world, SECOND / 10, || scrape.value("session_lease_waits_total") > 0.5).await;
    for secret in ["one", "two", "three"] {
        // The row changes, and the lease stays.
        let (id, now) = (laptop.session.id, world.manager.now());
        let from = world.row(id).await.digests.current;
        let rotated = SecretRotation::new(id, from, SecretDigest::of(secret), now);
        assert!(world.sessions().rotate_secret(rotated).await.unwrap());
        let reads = there.store.calls(Method::Find);
        until(&world, SECOND / 10, || there.store.calls(Method::Find) > reads + 2).await;
    }
    world.provider.answers().open();
    until(&world, SECOND / 10, || here.is_finished() && elsewhere.is_finished()).await;
    scrape.is("session_renewals_total{outcome=\"renewed\"}", 1);
    scrape.is("session_lease_waits_total", 1);
}

#[tokio::test]
async fn a_late_answer_is_counted_as_what_it_says_and_none_as_unavailable() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let (world, laptop) = World::expired().await;
    let timeout = policy().build().unwrap().renewal().provider_timeout;
    world.provider.answers().close();
    let waiting = world.token_later(&laptop);
    until(&world, SECOND / 10, || world.provider.answers().held() == 1).await;
    Step(SECOND).pass(&world.clock, timeout + SECOND).await;
    world.provider.answers().open();
    until(&world, SECOND, || scrape.value("session_renewals_total{outcome=\"renewed\"}") > 0.5)
        .await;
    scrape.is("session_renewals_total{outcome=\"unavailable\"}", 0);
    drop(waiting);

    world.clock.advance(LIFETIME);
    world.provider.requests().close();
    drop(world.token_later(&laptop));
    until(&world, SECOND, || scrape.value("session_renewals_total{outcome=\"unavailable\"}") > 0.5)
        .await;
    scrape.is("session_renewals_total{outcome=\"unavailable\"}", 1);
    scrape.is("session_renewals_total{outcome=\"renewed\"}", 1);
}

#[tokio::test]
async fn refused_resources_and_tokens_that_the_store_refuses_are_counted() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let (world, laptop) = World::due().await;
    let (user, id) = (&laptop.session.user, laptop.session.id);
    let files = Resource::new("https://files.example").unwrap();
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Rejected, None));
    assert!(world.manager.access_token_for(user, id, &files).await.is_err());
    scrape.is("session_renewals_total{outcome=\"resource_refused\"}", 1);

    let (world, laptop) = World::expired().await;
    world.store.set(Method::WriteTokens, Fault::Before(StoreErrorKind::Rejected));
    let waiting = world.token_later(&laptop);
    until(&world, SECOND / 10, || waiting.is_finished()).await;
    scrape.is("session_renewals_total{outcome=\"not_stored\"}", 1);
    scrape.is("session_renewals_total{outcome=\"renewed\"}", 0);
    assert_eq!(world.end_reason(laptop.session.id).await, None);
}

#[tokio::test]
async fn a_lease_of_a_node_that_stands_still_is_counted_when_it_is_taken_over() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let (world, laptop) = World::expired().await;
    world.provider.requests().close();
    drop(world.token_later(&laptop));
    until(&world, SECOND / 10, || world.provider.requests().held() == 1).await;
    // It can raise its heartbeat no more.
    world.store.set(Method::Heartbeat, Fault::AWAY);
    let there = world.another().await;
    drop(there.token_later(&laptop));
    until(&world, SECOND, || scrape.value("session_lease_takeovers_total") > 0.5).await;
    scrape.is("session_lease_takeovers_total", 1);
}

#[tokio::test]
async fn a_row_that_does_not_open_is_counted() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let other = Keyring::parse(&Keyring::generate_entry("other").unwrap()).unwrap();
    let sessions = SessionManager::builder(std::sync::Arc::clone(world.sessions()));
    let sessions = sessions.keyring(other).clock(world.clock.clone()).start().await.unwrap();
    let at_start = scrape.value("session_unreadable_total");
    assert!(sessions.resolve(&laptop.secret.digest(), None).await.is_err());
    assert!(scrape.value("session_unreadable_total") > at_start);
}

/// Sends a request with the cookie of a sign-in through a layer.
async fn request(layer: &SessionLayer, device: &SignedIn) {
    let service = layer.layer(tower::service_fn(|_: Request<Empty<&'static [u8]>>| async {
        Ok::<_, Infallible>(Response::new(Empty::<&'static [u8]>::new()))
    }));
    let cookie = format!("__Host-session={}", device.secret.expose());
    let request = Request::get("/").header(COOKIE, cookie).body(Empty::new()).unwrap();
    service.oneshot(request).await.unwrap();
}

#[tokio::test]
async fn the_cache_s_answers_are_counted() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let world = World::new().await;
    let layer = SessionLayer::new(world.manager.clone());
    let laptop = world.sign_in().await;
    for _ in 0..3 {
        request(&layer, &laptop).await;
    }
    scrape.is("session_cache_lookups_total{outcome=\"miss\"}", 1);
    scrape.is("session_cache_lookups_total{outcome=\"hit\"}", 2);

    // It is renewed while its row is read, so that what was read is not kept.
    let phone = world.sign_in().await;
    world.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let reading = request(&layer, &phone);
    let renewing = async {
        while world.store.hanging(Method::FindByDigest) == 0 {
            settle().await;
        }
        let (user, id) = (&phone.session.user, phone.session.id);
        world.manager.access_token_after_rejection(user, id, "at-2").await.unwrap();
        world.store.release(Method::FindByDigest);
    };
    tokio::join!(reading, renewing);
    scrape.is("session_cache_lookups_total{outcome=\"overtaken\"}", 1);
}

#[tokio::test]
async fn the_outbox_is_measured_in_each_round_of_maintenance() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let world = World::new().await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    let held = world.live(&phone).await;
    world.provider.fail_revocation(ProviderErrorKind::Unavailable, None);
    world.manager.end_one(&laptop.session.user, laptop.session.id).await.unwrap();
    let _maintenance = world.manager.maintain(SECOND * 60);
    until(&world, SECOND, || scrape.value("session_revocations_pending") > 0.5).await;
    scrape.is("session_revocations_pending", 1);
    assert!(scrape.value("session_revocations_oldest_seconds") >= 59.0);
    assert!(scrape.value("session_held") >= 1.0);
    // The provider revokes whole grants, which the phone uses still.
    assert!(scrape.value("session_revocations_total{outcome=\"held\"}") >= 1.0);
    world.manager.end_all(&phone.session.user, None, EndReason::RevokedByAdmin).await.unwrap();
    drop(held);
    until(&world, SECOND * 30, || scrape.value("session_revocations_pending") < 0.5).await;
    scrape.is("session_revocations_total{outcome=\"revoked\"}", 2);
    scrape.is("session_revocations_total{outcome=\"postponed\"}", 1);
}

#[tokio::test]
async fn a_node_that_reads_no_changes_says_how_far_it_lags() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let layer = SessionLayer::new(world.manager.clone());
    request(&layer, &laptop).await;
    until(&world, SECOND / 10, || world.store.calls(Method::ListChanges) > 1).await;
    assert!(scrape.value("session_follower_lag_seconds") < 1.0);
    world.store.set(Method::ListChanges, Fault::AWAY);
    until(&world, SECOND / 10, || scrape.value("session_follower_lag_seconds") > 3.0).await;
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_name_what_is_scraped_and_the_reverse() {
    let recorder = recorder();
    let (scrape, _guard) = Scrape::begin(&recorder);
    let _world = World::new().await;
    let scraped = scrape.names();
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/metrics/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown: BTreeSet<String> =
        targets.flat_map(|target| named_in(target["expr"].as_str().unwrap())).collect();
    assert_eq!(shown, scraped, "the dashboard");
    let alerts = include_str!("../../docs/metrics/alerts.yml");
    let alerted = named_in(alerts);
    assert!(alerted.is_subset(&scraped), "alerts of {:?}", alerted.difference(&scraped));
    let table = include_str!("../../session-core/src/metrics.rs");
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('`').next());
    let documented: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(documented, scraped, "the documentation");
}
