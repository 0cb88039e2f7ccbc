use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64ct::{Base64, Encoding};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode, Uri};
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreGenderClaim, CoreHmacKey, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::url::form_urlencoded;
use openidconnect::{
    AccessToken, AdditionalClaims, HttpRequest, HttpResponse, IdToken, IdTokenClaims, JsonWebKeyId,
    PrivateSigningKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use session_core::provider::openid::{HttpClient, OpenIdBuilder, OpenIdProvider};
use session_core::testing::FakeClock;

pub const ISSUER: &str = "https://id.example";
pub const CLIENT_ID: &str = "my app";
pub const CLIENT_SECRET: &str = "s3cret&of the/client";

/// An issuer that follows a script, and records what it was sent.
#[derive(Clone)]
pub struct Issuer {
    state: Arc<Mutex<State>>,
    pub clock: FakeClock,
}

struct State {
    document: Value,
    keys: Vec<CoreJsonWebKey>,
    answers: HashMap<String, VecDeque<Result<HttpResponse, Unreachable>>>,
    requests: Vec<Request>,
}

/// A request, as it was sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub form: HashMap<String, String>,
}

/// The error of the HTTP client if there is no response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

impl Issuer {
    pub fn new() -> Self {
        Self::at(ISSUER)
    }

    pub fn at(issuer: &str) -> Self {
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "end_session_endpoint": format!("{issuer}/logout"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA", "none"],
            "authorization_response_iss_parameter_supported": true,
        });
        let state = State {
            document,
            keys: vec![public_key("k1")],
            answers: HashMap::new(),
            requests: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), clock: FakeClock::new() }
    }

    /// Sets a field of the discovery document; null removes it.
    pub fn with_document(self, field: &str, value: Value) -> Self {
        let mut state = self.lock();
        let document = state.document.as_object_mut().unwrap();
        if value.is_null() {
            document.remove(field);
        } else {
            document.insert(field.to_owned(), value);
        }
        drop(state);
        self
    }

    /// Publishes this key only.
    pub fn publish_key(&self, kid: &str) {
        self.lock().keys = vec![public_key(kid)];
    }

    /// Sets the next response of an endpoint, such as `/token`.
    pub fn script(&self, path: &str, answer: HttpResponse) {
        self.lock().answers.entry(path.to_owned()).or_default().push_back(Ok(answer));
    }

    /// Lets the next request to an endpoint fail without a response.
    pub fn script_outage(&self, path: &str, error: &str) {
        let error = Unreachable(error.to_owned());
        self.lock().answers.entry(path.to_owned()).or_default().push_back(Err(error));
    }

    /// Returns the requests to an endpoint.
    pub fn requests_to(&self, path: &str) -> Vec<Request> {
        self.lock().requests.iter().filter(|request| request.uri.path() == path).cloned().collect()
    }

    pub fn client(&self) -> impl HttpClient {
        let issuer = self.clone();
        move |request: HttpRequest| {
            let issuer = issuer.clone();
            async move { issuer.answer(&request) }
        }
    }

    pub fn builder(&self) -> OpenIdBuilder {
        let issuer = self.lock().document["issuer"].as_str().unwrap().to_owned();
        let is_on_loopback = issuer.starts_with("http:");
        let builder = OpenIdProvider::builder(issuer, CLIENT_ID, self.client());
        let builder = match is_on_loopback {
            true => builder.dangerous_insecure_loopback(),
            false => builder,
        };
        builder
            .with_client_secret(CLIENT_SECRET.to_owned().into())
            .with_clock(Arc::new(self.clock.clone()))
    }

    pub async fn provider(&self) -> OpenIdProvider {
        self.builder().discover().await.unwrap()
    }

    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, Unreachable> {
        let path = request.uri().path().to_owned();
        let form = form_urlencoded::parse(request.body()).into_owned().collect();
        let mut state = self.lock();
        state.requests.push(Request {
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            form,
        });
        let scripted = state.answers.get_mut(&path).and_then(VecDeque::pop_front);
        match path.as_str() {
            _ if scripted.is_some() => scripted.unwrap(),
            "/.well-known/openid-configuration" => Ok(ok(&state.document)),
            "/jwks" => Ok(ok(&json!({ "keys": state.keys }))),
            _ => Ok(answer(404, "")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn ok(body: &Value) -> HttpResponse {
    json(200, body)
}

pub fn json(status: u16, body: &Value) -> HttpResponse {
    with_header(answer(status, &body.to_string()), CONTENT_TYPE, "application/json")
}

pub fn answer(status: u16, body: &str) -> HttpResponse {
    let mut response = HttpResponse::new(body.as_bytes().to_vec());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

pub fn with_header(mut answer: HttpResponse, name: HeaderName, value: &str) -> HttpResponse {
    answer.headers_mut().insert(name, value.parse().unwrap());
    answer
}

/// The claims that the openidconnect crate does not know, such as `sid`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Further(#[serde(default)] Map<String, Value>);

impl AdditionalClaims for Further {}

type Claims = IdTokenClaims<Further, CoreGenderClaim>;
type Token =
    IdToken<Further, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// Creates an ID token with these claims for this access token, signed with the key of this id.
pub fn id_token(kid: &str, claims: &Value, access_token: &str) -> String {
    sign(&signing_key(kid), CoreJwsSigningAlgorithm::EdDsa, claims, access_token)
}

/// Creates an ID token that is signed with the client's secret (HS256).
pub fn id_token_by_secret(secret: &str, claims: &Value, access_token: &str) -> String {
    let key = CoreHmacKey::new(secret.as_bytes().to_vec());
    sign(&key, CoreJwsSigningAlgorithm::HmacSha256, claims, access_token)
}

fn sign<K>(
    key: &K,
    algorithm: CoreJwsSigningAlgorithm,
    claims: &Value,
    access_token: &str,
) -> String
where
    K: PrivateSigningKey<VerificationKey = CoreJsonWebKey>,
{
    let claims: Claims = serde_json::from_value(claims.clone()).unwrap();
    let access_token = AccessToken::new(access_token.to_owned());
    Token::new(claims, key, algorithm, Some(&access_token), None).unwrap().to_string()
}

fn public_key(kid: &str) -> CoreJsonWebKey {
    signing_key(kid).as_verification_key()
}

/// Derives an Ed25519 key from its id (RFC 8410: any 32 bytes are a private key).
fn signing_key(kid: &str) -> CoreEdDsaPrivateSigningKey {
    const PKCS8: [u8; 16] =
        [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let mut seed = [7; 32];
    seed[..kid.len()].copy_from_slice(kid.as_bytes());
    let der = Base64::encode_string(&[&PKCS8[..], &seed].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let kid = JsonWebKeyId::new(kid.to_owned());
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(kid)).unwrap()
}
