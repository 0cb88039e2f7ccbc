//! Hosts that answer by a script: a tool server, its authorization server, and any other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::header::WWW_AUTHENTICATE;
use openidconnect::url::{Url, form_urlencoded};
use openidconnect::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use session_core::provider::ProviderError;
use session_core::provider::openid::HttpClient;
use session_core::provider::tool_server::{
    AuthorizationServerMetadata, ClientRegistration, RegisteredClient, ToolServer,
    ToolServerBuilder,
};
use session_core::testing::FakeClock;

use crate::issuer::{answer, ok, with_header};

pub const TOOLS: &str = "https://files.example/mcp";
pub const ISSUER: &str = "https://id.example/tenant";
pub const CALLBACK: &str = "https://app.example/tools/callback";
pub const TOOLS_METADATA: &str = "https://files.example/.well-known/oauth-protected-resource/mcp";
pub const SERVER_METADATA: &str =
    "https://id.example/.well-known/oauth-authorization-server/tenant";
pub const SECRET: &str = "s3cret of the client";

/// What is answered at each address, and what was asked.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    pub clock: FakeClock,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, HttpResponse>,
    asked: Vec<Asked>,
    registrations: Vec<(String, String)>,
}

/// A request, as it was sent.
#[derive(Debug, Clone)]
pub struct Asked {
    pub address: String,
    pub form: HashMap<String, String>,
}

impl Network {
    /// A tool server whose challenge and metadata are as they should be.
    pub fn new() -> Self {
        let network = Self { state: Arc::default(), clock: FakeClock::new() };
        let challenge =
            format!(r#"Bearer resource_metadata="{TOOLS_METADATA}", scope="files:read""#);
        network.challenge(&challenge);
        network.put(TOOLS_METADATA, ok(&tools_metadata()));
        network.put(SERVER_METADATA, ok(&server_metadata()));
        network
    }

    /// Answers a request without a token with 401 and this challenge.
    pub fn challenge(&self, challenge: &str) {
        self.put(TOOLS, with_header(answer(401, ""), WWW_AUTHENTICATE, challenge));
    }

    pub fn put(&self, address: &str, page: HttpResponse) {
        self.lock().pages.insert(address.to_owned(), page);
    }

    pub fn remove(&self, address: &str) {
        self.lock().pages.remove(address);
    }

    /// Answers at the token endpoint.
    pub fn issue(&self, tokens: &Value) {
        self.put("https://id.example/tenant/token", ok(tokens));
    }

    /// Returns the addresses that were asked, in order.
    pub fn addresses(&self) -> Vec<String> {
        self.lock().asked.iter().map(|asked| asked.address.clone()).collect()
    }

    /// Returns the forms that were sent to an address.
    pub fn forms_to(&self, address: &str) -> Vec<HashMap<String, String>> {
        let state = self.lock();
        let asked = state.asked.iter().filter(|asked| asked.address == address);
        asked.map(|asked| asked.form.clone()).collect()
    }

    pub fn has_asked_only(&self, hosts: &[&str]) -> bool {
        let host = |address: &str| Url::parse(address).unwrap().host_str().unwrap().to_owned();
        self.addresses().iter().all(|address| hosts.contains(&&*host(address)))
    }

    /// Returns the issuers at which the application was asked to register, with the redirect URI.
    pub fn registrations(&self) -> Vec<(String, String)> {
        self.lock().registrations.clone()
    }

    pub fn client(&self) -> impl HttpClient {
        let network = self.clone();
        move |request: HttpRequest| {
            let page = network.page(&request);
            async move { Ok::<_, std::io::Error>(page) }
        }
    }

    fn page(&self, request: &HttpRequest) -> HttpResponse {
        let address = request.uri().to_string();
        let form = form_urlencoded::parse(request.body()).into_owned().collect();
        let mut state = self.lock();
        state.asked.push(Asked { address: address.clone(), form });
        state.pages.get(&address).cloned().unwrap_or_else(|| answer(404, "not found"))
    }

    pub fn builder(&self) -> ToolServerBuilder {
        ToolServer::builder(TOOLS, ISSUER, self.client())
            .with_redirect_uri(CALLBACK)
            .with_registration(RegisteredClient::new("app").with_secret(SECRET.to_owned().into()))
            .with_clock(Arc::new(self.clock.clone()))
            .with_call_timeout(Duration::from_secs(10))
    }

    pub fn tools(&self) -> ToolServer {
        self.builder().build().unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registration that notes what it is asked for.
pub struct Noted {
    pub network: Network,
    pub outcome: fn() -> Result<RegisteredClient, ProviderError>,
}

#[async_trait]
impl ClientRegistration for Noted {
    async fn register(
        &self,
        server: &AuthorizationServerMetadata,
        redirect_uri: &str,
    ) -> Result<RegisteredClient, ProviderError> {
        let noted = (server.issuer.clone(), redirect_uri.to_owned());
        self.network.lock().registrations.push(noted);
        (self.outcome)()
    }
}

pub fn tools_metadata() -> Value {
    json!({
        "resource": TOOLS,
        "authorization_servers": ["https://other.example", ISSUER],
        "scopes_supported": ["files:read", "files:write"],
    })
}

/// As an authorization server publishes them that is no OpenID provider.
pub fn server_metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example/tenant/authorize",
        "token_endpoint": "https://id.example/tenant/token",
        "revocation_endpoint": "https://id.example/tenant/revoke",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// Sets a field of a document; null removes it.
pub fn with(mut document: Value, field: &str, value: Value) -> HttpResponse {
    let fields = document.as_object_mut().unwrap();
    match value {
        Value::Null => drop(fields.remove(field)),
        value => drop(fields.insert(field.to_owned(), value)),
    }
    ok(&document)
}
