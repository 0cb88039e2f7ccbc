//! What a handler finds does not depend on the layers around: any order of them, any mixture of
//! cookies, against the table of the outcomes.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use proptest::prelude::*;
use session_core::store::SessionLifecycle as _;
use session_core::testing::sample::{self, Login};
use session_core::{EndReason, Keyring};
use session_tower::{SessionCookie, SessionLayer};
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, Service, ServiceExt as _, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::site::{Answer, Body, Site, show_user};

type Boxed = UnsyncBoxBody<Bytes, BoxError>;
type Boxing = BoxCloneService<Request<Body>, Response<Boxed>, Infallible>;

const OTHER_NAME: &str = "__Host-other";

/// A layer of the stack.
#[derive(Debug, Clone, Copy)]
enum Around {
    CatchPanic,
    Compression,
    Cors,
    Header,
    MapBody,
    /// A session layer on a cookie of another name, which is not the handler's.
    OtherCookie,
    /// A session layer on the same cookie.
    SameCookie,
    Timeout,
    Trace,
}

/// A value of the session cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Ann,
    Bob,
    Ended,
    Malformed,
    Unknown,
    Unreadable,
}

/// The sessions that the values belong to.
struct Sessions {
    site: Site,
    secrets: Vec<(Value, String)>,
}

impl Sessions {
    async fn new() -> Self {
        let site = Site::new().await;
        let (ann, bob) = (site.sign_in("ann").await, site.sign_in("bob").await);
        let gone = site.sign_in("carol").await;
        site.manager.sign_out(&gone.session.user, gone.session.id).await.unwrap();
        let lost = Login::of("dan", "okta");
        let other_key = Keyring::parse(&Keyring::generate_entry("lost").unwrap()).unwrap();
        let admit_all = |_: &[session_core::policy::AdmittedSession]| {
            session_core::policy::Verdict::Admit(Vec::new())
        };
        site.store.admit(lost.new_session_sealed_by(&other_key), &admit_all).await.unwrap();
        let secrets = vec![
            (Value::Ann, ann.secret.expose().to_owned()),
            (Value::Bob, bob.secret.expose().to_owned()),
            (Value::Ended, gone.secret.expose().to_owned()),
            (Value::Malformed, "malformed".to_owned()),
            (Value::Unknown, sample::secret().expose().to_owned()),
            (Value::Unreadable, lost.secret.as_ref().unwrap().expose().to_owned()),
        ];
        Self { site, secrets }
    }

    fn secret(&self, value: Value) -> &str {
        &self.secrets.iter().find(|(known, _)| *known == value).unwrap().1
    }

    fn layer(&self, around: Around, inner: Boxing) -> Boxing {
        match around {
            Around::CatchPanic => boxed(CatchPanicLayer::new().layer(inner)),
            Around::Compression => boxed(CompressionLayer::new().layer(inner)),
            Around::Cors => boxed(CorsLayer::permissive().layer(inner)),
            Around::Header => {
                let (name, value) = ("x-around", HeaderValue::from_static("yes"));
                let name = HeaderName::from_static(name);
                boxed(SetResponseHeaderLayer::overriding(name, value).layer(inner))
            }
            Around::MapBody => boxed(MapResponseBodyLayer::new(|body: Boxed| body).layer(inner)),
            Around::OtherCookie => {
                let cookie = SessionCookie::builder().name(OTHER_NAME).build().unwrap();
                boxed(self.site.layer().with_cookie(cookie).layer(inner))
            }
            Around::SameCookie => boxed(self.site.layer().layer(inner)),
            Around::Timeout => {
                let status = StatusCode::REQUEST_TIMEOUT;
                let hour = Duration::from_secs(3600);
                boxed(TimeoutLayer::with_status_code(status, hour).layer(inner))
            }
            Around::Trace => boxed(TraceLayer::new_for_http().layer(inner)),
        }
    }

    async fn answer(&self, case: &Case) -> Answer {
        let layer: SessionLayer = self.site.layer();
        let layer = if case.is_required { layer.require_session() } else { layer };
        let handler = boxed(service_fn(show_user));
        let inside = case.inside.iter().fold(handler, |inner, around| self.layer(*around, inner));
        let ours = boxed(layer.layer(inside));
        let stack = case.outside.iter().fold(ours, |inner, around| self.layer(*around, inner));
        let mut pairs = vec!["theme=dark".to_owned()];
        let named = |name: &str, value: Value| format!("{name}={}", self.secret(value));
        pairs.extend(case.other.map(|value| named(OTHER_NAME, value)));
        pairs.extend(case.values.iter().map(|value| named("__Host-session", *value)));
        let request = match case.is_one_header {
            true => Request::get("/").header(COOKIE, pairs.join("; ")),
            false => {
                pairs.iter().fold(Request::get("/"), |request, pair| request.header(COOKIE, pair))
            }
        };
        let request = request.body(Body::default()).unwrap();
        Answer::of(stack.oneshot(request).await.unwrap()).await
    }
}

fn boxed<S, B>(service: S) -> Boxing
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let boxing =
        |response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync());
    service.map_response(boxing).boxed_clone()
}

#[derive(Debug, Clone)]
struct Case {
    inside: Vec<Around>,
    outside: Vec<Around>,
    values: Vec<Value>,
    other: Option<Value>,
    is_required: bool,
    is_one_header: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let transparent = prop::sample::select(vec![
        Around::CatchPanic,
        Around::Compression,
        Around::Cors,
        Around::Header,
        Around::MapBody,
        Around::Timeout,
        Around::Trace,
    ]);
    let any = prop_oneof![
        3 => transparent.clone(),
        1 => Just(Around::OtherCookie),
        1 => Just(Around::SameCookie),
    ];
    let value = prop::sample::select(vec![
        Value::Ann,
        Value::Bob,
        Value::Ended,
        Value::Malformed,
        Value::Unknown,
        Value::Unreadable,
    ]);
    let layers = prop::collection::vec(any, 0..5);
    let inside = prop::collection::vec(transparent, 0..4);
    let values = prop::collection::vec(value.clone(), 0..6);
    (inside, layers, values, prop::option::of(value), any_flag(), any_flag()).prop_map(
        |(inside, outside, values, other, is_required, is_one_header)| Case {
            inside,
            outside,
            values,
            other,
            is_required,
            is_one_header,
        },
    )
}

fn any_flag() -> impl Strategy<Value = bool> {
    prop::bool::ANY
}

/// The table: what the first four values of the cookie lead to.
fn expected(values: &[Value]) -> &'static str {
    let read: BTreeSet<Value> = values.iter().take(4).copied().collect();
    match (read.contains(&Value::Ann), read.contains(&Value::Bob)) {
        (true, true) => "anonymous",
        (true, false) => "ann",
        (false, true) => "bob",
        _ if read.contains(&Value::Unreadable) => "unreadable",
        _ if read.contains(&Value::Ended) => "ended: signed_out",
        _ => "anonymous",
    }
}

fn check(answer: &Answer, case: &Case) -> Result<(), TestCaseError> {
    let expected = expected(&case.values);
    match expected {
        _ if !case.is_required || expected == "ann" || expected == "bob" => {
            prop_assert_eq!(&answer.text, expected);
        }
        "unreadable" => prop_assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE),
        "anonymous" => prop_assert_eq!(answer.reason(), "no_session"),
        _ => prop_assert_eq!(answer.reason(), EndReason::SignedOut.as_str()),
    }
    let read = &case.values[..case.values.len().min(4)];
    let leads_nowhere = |value: &Value| matches!(value, Value::Malformed | Value::Unknown);
    let is_cleared = match expected {
        "anonymous" => !read.is_empty() && read.iter().all(leads_nowhere),
        // Only the response that tells the reason clears the cookie.
        "ended: signed_out" => case.is_required,
        _ => false,
    };
    let clears = |name: &str| {
        answer.set_cookie.iter().any(|cookie| cookie.starts_with(&format!("{name}=;")))
    };
    prop_assert_eq!(clears("__Host-session"), is_cleared, "{:?}", answer.set_cookie);
    Ok(())
}

#[test]
fn a_handler_finds_the_same_in_any_order_of_the_layers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let sessions = runtime.block_on(Sessions::new());
    let config = ProptestConfig { cases: 512, ..ProptestConfig::default() };
    proptest!(config, |(case in case())| {
        let answer = runtime.block_on(sessions.answer(&case));
        check(&answer, &case)?;
    });
}
