//! A tool server (MCP) on the SDK: it demands a token of its own audience, and says where to get one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rmcp::handler::server::tool::Extension;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_router};
use serde_json::{Value, json};

/// One tool server: what it is about, and who issues its tokens.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What its tool reads, such as `files`.
    pub name: String,
    /// Its resource identifier: the address of its tools.
    pub resource: String,
    /// Its authorization server.
    pub issuer: String,
    /// The client id and secret with which it asks there about tokens.
    pub credentials: (String, String),
    /// The HTTP client that asks.
    pub http: reqwest13::Client,
}

#[derive(Clone)]
struct Tools {
    name: String,
}

/// The user of a request, whose token was checked.
#[derive(Clone)]
struct User(String);

#[tool_router(server_handler)]
impl Tools {
    #[tool(description = "Reads what the user has here")]
    async fn read(&self, Extension(request): Extension<Parts>) -> String {
        let user = request.extensions.get::<User>().map_or("?", |user| &user.0);
        format!("{user}'s {}", self.name)
    }
}

/// Builds the routes of a tool server: the tools at `/mcp`, and its metadata (RFC 9728).
pub fn router(settings: Settings) -> Router {
    let tools = Tools { name: settings.name.clone() };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let settings = Arc::new(settings);
    Router::new()
        .nest_service("/mcp", service)
        .layer(from_fn_with_state(Arc::clone(&settings), demand_token))
        .route("/.well-known/oauth-protected-resource/mcp", get(metadata))
        .with_state(settings)
}

async fn metadata(State(settings): State<Arc<Settings>>) -> Json<Value> {
    Json(json!({
        "resource": settings.resource,
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
    }))
}

/// Lets requests pass that have a valid token for this tool server alone; all others are told where to
/// get one (RFC 9728, section 5.1).
async fn demand_token(
    State(settings): State<Arc<Settings>>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = bearer_token(request.headers());
    let error = if token.is_some() { ", error=\"invalid_token\"" } else { "" };
    let user = match token {
        Some(token) => settings.user_of(token).await,
        None => Ok(None),
    };
    match user {
        Ok(Some(user)) => {
            request.extensions_mut().insert(User(user));
            next.run(request).await
        }
        Ok(None) => {
            let origin = settings.resource.trim_end_matches("/mcp");
            let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
            let challenge = format!("Bearer resource_metadata=\"{metadata}\"{error}");
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "a token could not be checked");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

impl Settings {
    /// Asks the authorization server whose token this is (RFC 7662); `None` if it is not valid, or for
    /// another resource.
    async fn user_of(&self, token: &str) -> Result<Option<String>, reqwest13::Error> {
        let (id, secret) = &self.credentials;
        let asked = self
            .http
            .post(format!("{}/introspect", self.issuer))
            .basic_auth(id, Some(secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        let claims: Value = asked.send().await?.error_for_status()?.json().await?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        let is_active = claims.get("active") == Some(&Value::Bool(true));
        let is_ours = is_active && text("aud") == Some(&self.resource);
        Ok(text("sub").filter(|_| is_ours).map(str::to_owned))
    }
}

/// Returns the token of a request, if it has only characters of one (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let token = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let is_written = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    token.bytes().all(is_written).then_some(token)
}
