//! No secret and no token in any `Debug` output or log line (S6, S7, R8).

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use session_core::provider::ProviderErrorKind;
use session_core::testing::{Fault, Method, RenewalScript, sample};
use session_tower::{CookieUpdate, CurrentSession, LegacyFormat, PresentedCookie, SessionCookie};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

use crate::site::{Body, Site, cookie, request, send, show_user};

/// The captured log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn s7_no_debug_output_shows_a_secret_or_a_token() {
    let site = Site::new().await;
    let login = site.manager.sign_in(session_core::manager::SignIn::new(
        &sample::user("ann"),
        &sample::provider("okta"),
        session_core::TokenResponse::bearer("very-secret-token")
            .with_refresh_token("very-secret-rt"),
    ));
    let ann = login.await.unwrap();
    let shown = Arc::new(Mutex::new(String::new()));
    let layer = site.layer();
    let mut service = layer.clone().layer(service_fn({
        let (shown, update) = (shown.clone(), CookieUpdate::signed_in(&ann));
        move |request: Request<Body>| {
            let current = request.extensions().get::<CurrentSession>().unwrap();
            let presented = PresentedCookie::of(request.extensions());
            let mut shown = shown.lock().unwrap();
            shown.push_str(&format!("{current:?} {current:#?} {presented:?} {update:?}"));
            let mut response = Response::new(Body::default());
            response.extensions_mut().insert(update.clone());
            std::future::ready(Ok::<_, Infallible>(response))
        }
    }));
    let future = service.ready().await.unwrap().call(request(&[&cookie(&ann.secret)]));
    let of_future = format!("{future:?}");
    let response = future.await.unwrap();
    // The response has the new cookie, whose value is marked as sensitive.
    let all = format!("{} {of_future} {layer:?} {service:?} {response:?}", shown.lock().unwrap());
    let digest = ann.secret.digest();
    let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    for secret in [ann.secret.expose(), "very-secret", &hex, &format!("{:?}", digest.as_bytes())] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(all.contains("ann") && all.contains("Sensitive"), "{all}");
}

#[tokio::test]
async fn s7_no_log_line_shows_a_secret_or_a_token() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let site = Site::with_policy(|policy| policy.max_sessions(2)).await;
    let legacy = SessionCookie::builder().legacy(LegacyFormat::Uuid).build().unwrap();
    let service = site.layer().with_cookie(legacy).layer(service_fn(show_user));
    let secrets: Vec<_> = (0..3).map(|_| sample::secret().expose().to_owned()).collect();
    let (ann, bob) = (site.sign_in("ann").await.secret, site.sign_in("bob").await.secret);
    let uuid = "0190f5b2-1c3d-4e4f-8a9b-0c1d2e3f4a5b";
    let junk = "junk-that-is-no-secret";
    // Live, several, unknown, malformed, ended, store unavailable, renewal failed and refused.
    send(&service, &[&cookie(&ann), &cookie(&bob)]).await;
    for value in secrets.iter().map(String::as_str).chain([uuid, junk, ann.expose()]) {
        send(&service, &[&format!("__Host-session={value}")]).await;
    }
    site.sign_in("ann").await;
    site.sign_in("ann").await;
    send(&service, &[&cookie(&ann)]).await;
    site.store.set_next(Method::FindByDigest, Fault::AWAY);
    send(&service, &[&format!("__Host-session={}", secrets[0])]).await;
    site.advance(301);
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    send(&service, &[&cookie(&bob)]).await;
    site.advance(300);
    site.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Refused, None));
    send(&service, &[&cookie(&bob)]).await;

    let text = log.text();
    assert!(text.contains("session_tower"), "nothing was logged: {text}");
    let tokens = (1..20).flat_map(|number| [format!("at-{number}"), format!("rt-{number}")]);
    let values = secrets.iter().cloned().chain([ann.expose().into(), bob.expose().into()]);
    for secret in values.chain([uuid.into(), junk.into()]).chain(tokens) {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
}
