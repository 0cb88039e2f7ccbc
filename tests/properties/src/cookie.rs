//! The session cookie of a request: only a secret that is in the header opens a session.

use std::collections::HashSet;
use std::convert::Infallible;

use http::header::COOKIE;
use http::{HeaderValue, Request, Response, StatusCode};
use session_core::manager::SignIn;
use session_core::session::SecretDigest;
use session_core::store::memory::MemoryStore;
use session_core::testing::sample;
use session_core::{SessionId, SessionManager, TokenResponse};
use session_tower::{CurrentSession, LegacyFormat, PresentedCookie, SessionCookie, SessionLayer};
use tokio::runtime::Runtime;
use tower::{Layer as _, ServiceExt as _, service_fn};

const NAME: &str = "__Host-session";
const LEGACY_NAME: &str = "sid";

/// How many values of the name are looked at.
const MAX_VALUES: usize = 4;

/// A secret that was not issued.
const UNKNOWN: &str = "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu";

/// A site with two live sessions.
struct Site {
    runtime: Runtime,
    layer: SessionLayer,
    legacy: SessionLayer,
    ann: Login,
    ben: Login,
}

struct Login {
    id: SessionId,
    secret: String,
}

/// What the inner service sees of a request: its session, and the digests of its cookie.
#[derive(Clone)]
struct Seen {
    session: Option<SessionId>,
    digests: Vec<SecretDigest>,
}

thread_local! {
    static SITE: Site = Site::new();
}

impl Site {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (layer, legacy, ann, ben) = runtime.block_on(async {
            let keyring = sample::keyring_of(&["k1"]);
            let manager = SessionManager::builder(MemoryStore::new()).keyring(keyring);
            let manager = manager.start().await.unwrap();
            let (ann, ben) = (Login::of(&manager, "ann").await, Login::of(&manager, "ben").await);
            let layer = SessionLayer::new(manager);
            let legacy = SessionCookie::builder().name(LEGACY_NAME).legacy(LegacyFormat::Uuid);
            let legacy = layer.clone().with_cookie(legacy.build().unwrap());
            (layer, legacy, ann, ben)
        });
        Self { runtime, layer, legacy, ann, ben }
    }

    /// Sends a request with these headers.
    fn seen(&self, layer: &SessionLayer, headers: &[HeaderValue]) -> Seen {
        let inner = service_fn(|request: Request<()>| async move {
            let session = request.extensions().get::<CurrentSession>();
            let session = session.map(|current| current.session().id);
            let presented = PresentedCookie::of(request.extensions());
            let digests: Vec<_> = presented.iter().flat_map(PresentedCookie::digests).collect();
            let mut response = Response::new(());
            response.extensions_mut().insert(Seen { session, digests });
            Ok::<_, Infallible>(response)
        });
        let mut request = Request::new(());
        for header in headers {
            request.headers_mut().append(COOKIE, header.clone());
        }
        let response = layer.layer(inner).oneshot(request);
        let mut response = self.runtime.block_on(response).unwrap();
        assert_eq!(response.status(), StatusCode::OK, "a session is optional");
        response.extensions_mut().remove().expect("the inner service answered")
    }

    fn login_of(&self, secret: &str) -> Option<SessionId> {
        [&self.ann, &self.ben].into_iter().find(|of| of.secret == secret).map(|of| of.id)
    }
}

impl Login {
    async fn of(manager: &SessionManager, user: &str) -> Self {
        let (user, provider) = (sample::user(user), sample::provider("okta"));
        let sign_in = SignIn::new(&user, &provider, TokenResponse::bearer("at"));
        let signed_in = manager.sign_in(sign_in).await.unwrap();
        Self { id: signed_in.session.id, secret: signed_in.secret.expose().to_owned() }
    }
}

/// Checks one or more `Cookie` headers, a line each, in which `$` and `@` stand for the secrets of
/// two live sessions, and `#` for one that was not issued.
pub(crate) fn check(input: &[u8]) {
    SITE.with(|site| {
        let headers = headers(site, input);
        check_own(site, &headers);
        check_legacy(site, &headers);
    });
}

fn check_own(site: &Site, headers: &[HeaderValue]) {
    let Seen { session, digests } = site.seen(&site.layer, headers);
    let values = values(headers, NAME);
    let looked_at = &values[..values.len().min(MAX_VALUES)];
    let live: HashSet<_> = looked_at.iter().filter_map(|value| site.login_of(value)).collect();
    // Two live sessions count as none.
    let expected = (live.len() == 1).then(|| *live.iter().next().unwrap());
    assert_eq!(session, expected, "{} values", values.len());
    let well_formed = looked_at.iter().filter(|value| is_secret(value));
    let well_formed: Vec<_> = well_formed.map(|value| SecretDigest::of(value)).collect();
    assert!(digests.iter().all(|digest| well_formed.contains(digest)), "a value of another cookie");
    assert_eq!(digests.is_empty(), well_formed.is_empty());
}

/// A cookie that another system names too.
fn check_legacy(site: &Site, headers: &[HeaderValue]) {
    let Seen { session, digests } = site.seen(&site.legacy, headers);
    let values = values(headers, LEGACY_NAME);
    let given: Vec<_> = values.iter().map(|value| SecretDigest::of(value)).collect();
    assert!(digests.iter().all(|digest| given.contains(digest)), "a value of another cookie");
    let live: Vec<_> = values.iter().filter_map(|value| site.login_of(value)).collect();
    assert!(session.is_none_or(|id| live.contains(&id)), "a session without its secret");
}

fn headers(site: &Site, input: &[u8]) -> Vec<HeaderValue> {
    let lines = input.split(|byte| *byte == b'\n').take(8);
    let lines = lines.map(|line| {
        let mut header = Vec::new();
        for byte in line {
            match byte {
                b'$' => header.extend_from_slice(site.ann.secret.as_bytes()),
                b'@' => header.extend_from_slice(site.ben.secret.as_bytes()),
                b'#' => header.extend_from_slice(UNKNOWN.as_bytes()),
                other => header.push(*other),
            }
        }
        HeaderValue::from_bytes(&header)
    });
    lines.filter_map(Result::ok).collect()
}

/// Returns the values of a cookie, read as RFC 6265 (section 4.2.1) describes the header.
fn values(headers: &[HeaderValue], name: &str) -> Vec<String> {
    let texts = headers.iter().map(|header| {
        let bytes = header.as_bytes().iter();
        // Each byte is a character, so that what is not UTF-8 is no form of a secret.
        bytes.map(|byte| char::from(*byte)).collect::<String>()
    });
    let pairs = texts.flat_map(|text| text.split(';').map(str::to_owned).collect::<Vec<_>>());
    let values = pairs.filter_map(|pair| {
        let (found, value) = pair.trim_start_matches(SPACE).split_once('=')?;
        (found == name).then(|| value.trim_end_matches(SPACE).to_owned())
    });
    values.collect()
}

/// What may stand around a pair.
const SPACE: [char; 5] = [' ', '\t', '\n', '\r', '\u{c}'];

fn is_secret(value: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    value.chars().count() == 43 && value.chars().all(is_allowed)
}
