//! Calls to other services with tokens that are bound to a key (DPoP).

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::Full;
use session_core::TokenResponse;
use session_core::clock::Clock as _;
use session_core::dpop::DpopKey;
use session_core::manager::{SignIn, SignedIn};
use session_core::testing::{FakeClock, RenewalScript, sample};
use session_core::token::Resource;
use session_tower::Rejection;
use session_tower::outgoing::{OnBehalfOf, OutgoingClient, OutgoingError, OutgoingLayer, Repeat};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::outgoing::current;
use crate::proof::{Proof, hash};
use crate::site::{Body, Site};

const API: &str = "https://api.example/v1?fields=all";
const DPOP: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A service that accepts one token with a proof of its key.
#[derive(Clone)]
struct Service {
    jkt: String,
    clock: FakeClock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    accepted: &'static str,
    /// The nonce that a proof must have.
    nonce: Option<&'static str>,
    /// The nonce that the next answer gives.
    gives: Option<&'static str>,
    /// The nonces of the proofs, in the order of the requests.
    seen: Vec<Option<String>>,
    jtis: BTreeSet<String>,
}

impl Service {
    fn accepting(token: &'static str, key: &DpopKey, site: &Site) -> Self {
        let state = Arc::new(Mutex::new(State { accepted: token, ..State::default() }));
        Self { jkt: key.thumbprint().unwrap(), clock: site.clock.clone(), state }
    }

    fn wants_nonce(&self, nonce: &'static str) {
        let mut state = self.state.lock().unwrap();
        (state.nonce, state.gives) = (Some(nonce), Some(nonce));
    }

    fn seen(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Returns the error of a request, or `None` if it is as it must be.
    fn error<B>(&self, request: &Request<B>) -> Option<&'static str> {
        let proofs: Vec<_> = request.headers().get_all(DPOP).iter().collect();
        let authorization = &request.headers()[AUTHORIZATION];
        assert!(authorization.is_sensitive() && proofs.iter().all(|proof| proof.is_sensitive()));
        let (scheme, token) = authorization.to_str().unwrap().split_once(' ').unwrap();
        assert_eq!((scheme, proofs.len()), ("DPoP", 1));
        let proof = Proof::read(proofs[0].to_str().unwrap()).expect("a proof of its key");
        let htu = request.uri().to_string().split('?').next().unwrap().to_owned();
        let jti = proof.assert_for(request.method().as_str(), &htu, self.clock.now());
        assert_eq!((&proof.jkt, &proof.claims["ath"]), (&self.jkt, &hash(token).into()));
        let mut state = self.state.lock().unwrap();
        assert!(state.jtis.insert(jti), "a proof is used once");
        let nonce = proof.claims["nonce"].as_str().map(str::to_owned);
        state.seen.push(nonce.clone());
        match state.nonce {
            Some(wanted) if nonce.as_deref() != Some(wanted) => Some("use_dpop_nonce"),
            _ => (token != state.accepted).then_some("invalid_token"),
        }
    }

    fn answer<B, A: From<&'static str>>(&self, request: &Request<B>) -> Response<A> {
        let error = self.error(request);
        let mut response = Response::new(A::from("answer"));
        if let Some(nonce) = self.state.lock().unwrap().gives {
            response.headers_mut().insert(NONCE, nonce.parse().unwrap());
        }
        if let Some(error) = error {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = format!(r#"DPoP realm="api", error="{error}", algs="ES256""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        response
    }

    async fn call<R: Repeat<Body> + Clone + Send + Sync + 'static>(
        &self,
        layer: &OutgoingLayer<R>,
        request: Request<Body>,
    ) -> Result<StatusCode, OutgoingError<Infallible>> {
        let service = self.clone();
        let client = service_fn(move |request: Request<Body>| {
            let response: Response<Body> = service.answer(&request);
            async { Ok::<_, Infallible>(response) }
        });
        Ok(layer.layer(client).oneshot(request).await?.status())
    }
}

fn layer(site: &Site) -> OutgoingLayer {
    OutgoingLayer::new(site.manager.clone()).allow("https://api.example").unwrap()
}

/// Signs a user in with tokens that are bound to this key.
async fn sign_in(site: &Site, key: &DpopKey) -> SignedIn {
    let tokens = TokenResponse::dpop("at-1", key.clone()).with_refresh_token("rt-1");
    let tokens = tokens.with_expires_in(Duration::from_secs(300));
    let login = SignIn::new(&sample::user("ann"), &sample::provider("okta"), tokens);
    site.manager.sign_in(login).await.unwrap()
}

/// Lets the provider issue a token that is bound to this key.
fn will_issue(site: &Site, token: &str, key: &DpopKey) {
    let tokens =
        TokenResponse::dpop(token, key.clone()).with_refresh_token(format!("rt-of-{token}"));
    site.provider.script(RenewalScript::Answer(tokens));
}

fn request(method: Method, url: &str, signed_in: &SignedIn) -> Request<Body> {
    let caller = OnBehalfOf::session(&signed_in.session);
    let request = Request::builder().method(method).uri(url).extension(caller);
    request.body(Full::from("question")).unwrap()
}

fn nonces(expected: &[Option<&str>]) -> Vec<Option<String>> {
    expected.iter().map(|nonce| nonce.map(str::to_owned)).collect()
}

#[tokio::test]
async fn r11_a_bound_token_is_sent_with_a_proof_for_each_request_and_never_as_bearer() {
    let site = Site::new().await;
    let key = DpopKey::generate().unwrap();
    let signed_in = sign_in(&site, &key).await;
    let service = Service::accepting("at-1", &key, &site);
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let mut request = request(method, API, &signed_in);
        request.headers_mut().insert(DPOP, "of-the-browser".parse().unwrap());
        request.headers_mut().insert(AUTHORIZATION, "Bearer of-the-browser".parse().unwrap());
        assert_eq!(service.call(&layer(&site), request).await.unwrap(), 200);
    }
    assert_eq!(service.seen(), nonces(&[None; 3]));
}

#[tokio::test]
async fn r11_a_nonce_that_a_service_wants_is_sent_once_more_and_remembered_for_its_origin() {
    let site = Site::new().await;
    let key = DpopKey::generate().unwrap();
    let signed_in = sign_in(&site, &key).await;
    let service = Service::accepting("at-1", &key, &site);
    let other = Service::accepting("at-1", &key, &site);
    let layer = layer(&site).allow("https://other.example").unwrap().repeat_cloned();
    let call = async |service: &Service, url: &str| {
        service.call(&layer, request(Method::POST, url, &signed_in)).await.unwrap()
    };
    service.wants_nonce("n-1");
    assert_eq!(call(&service, API).await, 200);
    assert_eq!(call(&service, "https://api.example/v2").await, 200);
    assert_eq!(call(&other, "https://other.example/").await, 200);
    // A new nonce comes with an answer of any status.
    service.state.lock().unwrap().gives = Some("n-2");
    assert_eq!(call(&service, API).await, 200);
    service.wants_nonce("n-2");
    assert_eq!(call(&service, API).await, 200);
    let [one, two] = [Some("n-1"), Some("n-2")];
    assert_eq!(service.seen(), nonces(&[None, one, one, one, two]));
    assert_eq!(other.seen(), nonces(&[None]), "the nonce of one service is no other's");
}

#[tokio::test]
async fn r11_a_request_that_cannot_be_repeated_leaves_the_nonce_to_the_next() {
    let site = Site::new().await;
    let key = DpopKey::generate().unwrap();
    let signed_in = sign_in(&site, &key).await;
    let service = Service::accepting("at-1", &key, &site);
    service.wants_nonce("n-1");
    let layer = layer(&site);
    for expected in [401, 200] {
        let request = request(Method::POST, API, &signed_in);
        assert_eq!(service.call(&layer, request).await.unwrap(), expected);
    }
    assert_eq!(service.seen(), nonces(&[None, Some("n-1")]));
    assert_eq!(site.provider.renewals(), 0, "a nonce needs no new token");
}

#[tokio::test]
async fn r11_a_rejected_token_is_renewed_also_after_a_nonce_and_each_only_once() {
    let site = Site::new().await;
    let key = DpopKey::generate().unwrap();
    let signed_in = sign_in(&site, &key).await;
    site.advance(61);
    will_issue(&site, "at-2", &key);
    let service = Service::accepting("at-2", &key, &site);
    service.wants_nonce("n-1");
    let layer = layer(&site).repeat_cloned();
    let answer = service.call(&layer, request(Method::PUT, API, &signed_in)).await;
    assert_eq!(answer.unwrap(), 200);
    assert_eq!(service.seen(), nonces(&[None, Some("n-1"), Some("n-1")]));
    assert_eq!(site.provider.renewals(), 1);

    // It takes no nonce, whichever it is given.
    service.state.lock().unwrap().nonce = Some("another");
    let answer = service.call(&layer, request(Method::PUT, API, &signed_in)).await;
    assert_eq!(answer.unwrap(), 401, "the service's answer");
    assert_eq!(service.seen().len(), 5);
}

#[tokio::test]
async fn r11_a_bound_token_without_its_key_is_not_sent_at_all() {
    let site = Site::new().await;
    let json = br#"{"access_token": "at-1", "token_type": "dpop"}"#;
    let tokens = TokenResponse::from_json(json).unwrap();
    let login = SignIn::new(&sample::user("ann"), &sample::provider("okta"), tokens);
    let signed_in = site.manager.sign_in(login).await.unwrap();
    let service = Service::accepting("at-1", &DpopKey::generate().unwrap(), &site);
    let error =
        service.call(&layer(&site), request(Method::GET, API, &signed_in)).await.unwrap_err();
    assert!(matches!(error, OutgoingError::NoProof(_)), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("require_dpop"));
    assert!(!format!("{error:?}").contains("at-1") && !error.needs_sign_in());
    assert!(service.seen().is_empty());

    let never =
        |_: Request<Vec<u8>>| async { Err::<Response<Vec<u8>>, _>(std::io::Error::other("")) };
    let client = OutgoingClient::new(site.manager.clone(), never, "https://api.example").unwrap();
    let error = client.get(&current(&site, &signed_in).await, "/me").await.unwrap_err();
    assert!(error.to_string().contains("without a proof"), "{error}");
    assert_eq!(Rejection::from(error), Rejection::BadGateway);
}

#[tokio::test]
async fn r11_the_token_of_a_further_resource_and_a_client_of_one_service_have_proofs() {
    let site = Site::new().await;
    let key = DpopKey::generate().unwrap();
    let signed_in = sign_in(&site, &key).await;
    will_issue(&site, "at-files", &key);
    let files = Resource::new("https://files.example/").unwrap();
    let layer = layer(&site).allow_for("https://files.example/", files).unwrap();
    let service = Service::accepting("at-files", &key, &site);
    let call = request(Method::GET, "https://files.example/a?b", &signed_in);
    assert_eq!(service.call(&layer, call).await.unwrap(), 200);
    assert_eq!(service.seen().len(), 1);

    let service = Service::accepting("at-1", &key, &site);
    service.wants_nonce("n-1");
    let answering = service.clone();
    let http = move |request: Request<Vec<u8>>| {
        let response: Response<Vec<u8>> = answering.answer(&request);
        async { Ok::<_, std::io::Error>(response) }
    };
    let client = OutgoingClient::new(site.manager.clone(), http, "https://api.example").unwrap();
    let session = current(&site, &signed_in).await;
    assert_eq!(client.get(&session, "/me?a=b").await.unwrap().body(), b"answer");
    assert_eq!(service.seen(), nonces(&[None, Some("n-1")]));
}

#[tokio::test]
async fn a_bearer_token_goes_on_as_before() {
    let site = Site::new().await;
    let signed_in = site.sign_in("ann").await;
    let client = service_fn(|request: Request<Body>| async move {
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer at-1");
        assert!(!request.headers().contains_key(DPOP), "nor with a proof of the browser's");
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.headers_mut().insert(NONCE, "n-1".parse().unwrap());
        let challenge = r#"DPoP error="use_dpop_nonce""#;
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        Ok::<_, Infallible>(response)
    });
    let mut request = request(Method::GET, API, &signed_in);
    request.headers_mut().insert(DPOP, "of-the-browser".parse().unwrap());
    let answer = layer(&site).repeat_cloned().layer(client).oneshot(request).await.unwrap();
    assert_eq!((answer.status(), site.provider.renewals()), (StatusCode::UNAUTHORIZED, 0));
}

#[tokio::test]
async fn a_bearer_token_whose_successor_is_bound_to_a_key_gets_its_nonce_too() {
    let site = Site::new().await;
    let signed_in = site.sign_in("ann").await;
    site.advance(61);
    will_issue(&site, "at-2", &DpopKey::generate().unwrap());
    let client = service_fn(|request: Request<Body>| async move {
        let mut response = Response::new(Body::default());
        let proof = request.headers().get(DPOP).map(|proof| proof.to_str().unwrap());
        let nonce = proof.map(|proof| Proof::read(proof).unwrap().claims["nonce"].clone());
        if nonce != Some("n-1".into()) {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        if proof.is_some() {
            let challenge = r#"DPoP error="use_dpop_nonce""#;
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
            response.headers_mut().insert(NONCE, "n-1".parse().unwrap());
        }
        Ok::<_, Infallible>(response)
    });
    let request = request(Method::GET, API, &signed_in);
    let answer = layer(&site).repeat_cloned().layer(client).oneshot(request).await.unwrap();
    assert_eq!((answer.status(), site.provider.renewals()), (StatusCode::OK, 1));
}
