//! Users connect tool servers (MCP) once, and all of their devices call the tools.
//!
//! ```text
//! browser ── cookie ──▶ session layer ──▶ /tools/files/read
//!                                              │ the user's connection `mcp:files`, found by name
//!                                              ▼
//!             rmcp's client ── the connection's access token ──▶ tool server (rmcp)
//!                                              │ 401: renewed, and once more
//! ```
//!
//! | path | what it does |
//! |---|---|
//! | `/` | the page: tool servers, to connect or to use |
//! | `POST /tools/connect`, `/tools/callback` | the ready-made connection of a tool server |
//! | `/tools/{server}`, `POST /tools/{server}/{tool}` | lists and calls tools, as JSON |
//! | `/devices` | the user's devices and connected tools, each with a button that ends it |
//!
//! A tool server is in [`tool_server`]; [`connected`] is all that joins rmcp's
//! client and the sessions.

pub mod connected;
mod failure;
mod page;
pub mod tool_server;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use rmcp::RoleClient;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RunningService, ServiceExt as _};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use session_core::provider::tool_server::ToolServer;
use session_core::{ProviderName, SessionManager, UserId};
use session_tower::devices::DevicesPage;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::tools::{ToolConfigError, ToolConnections};
use session_tower::{CurrentSession, Rejection};
use tower_http::csrf::CsrfLayer;

use connected::Connected;
use failure::ToolFailure;

/// What the application is made of.
#[derive(Debug, Clone)]
pub struct App {
    /// The sessions, with each tool server as a provider under its name.
    pub sessions: SessionManager,
    /// The sign-in.
    pub sign_in: OpenIdSignIn,
    /// The tool servers that users may connect, by names such as `mcp:files`.
    pub servers: Vec<(ProviderName, Arc<ToolServer>)>,
    /// The HTTP client of tool calls. It follows no redirect.
    pub http: reqwest13::Client,
}

impl App {
    /// Builds the routes.
    ///
    /// # Errors
    ///
    /// Returns [`ToolConfigError`] if a tool server is no provider of the sessions, or returns elsewhere.
    pub fn router(self) -> Result<Router, ToolConfigError> {
        let tools = ToolConnections::builder(&self.sign_in);
        let servers = self.servers.iter().cloned();
        let tools = servers.fold(tools, |tools, (name, server)| tools.server(name, server));
        let tools = tools.build()?;
        let (sign_in, sessions) = (self.sign_in.clone(), self.sessions.clone());
        Ok(Router::new()
            .route("/", get(home))
            .route("/tools/{server}", get(list))
            .route("/tools/{server}/{tool}", post(call))
            .with_state(self)
            .route_service("/tools/connect", tools.connect())
            .route_service("/tools/callback", tools.callback())
            .route_service("/devices", DevicesPage::new(sessions))
            .route_service("/login", sign_in.login())
            .route_service("/callback", sign_in.callback())
            .route_service("/logout", sign_in.logout())
            .layer(sign_in.session_layer())
            .layer(CsrfLayer::new()))
    }

    /// Opens a client of a tool server, on behalf of the user's connection, whichever device asks.
    async fn open(
        &self,
        user: &UserId,
        server: &str,
    ) -> Result<RunningService<RoleClient, ()>, ToolFailure> {
        let is_asked = |name: &&(ProviderName, _)| name.0.as_str() == format!("mcp:{server}");
        let named = self.servers.iter().find(is_asked);
        let (name, server) = named.ok_or(ToolFailure::UnknownServer)?;
        let connection = self.sessions.find_connection(user, name).await?;
        let connection = connection.ok_or(ToolFailure::ConnectAgain)?;
        let (http, sessions) = (self.http.clone(), self.sessions.clone());
        let config = StreamableHttpClientTransportConfig::with_uri(server.url());
        let client = Connected { http, sessions, connection };
        Ok(().serve(StreamableHttpClientTransport::with_client(client, config)).await?)
    }
}

/// Shows the tool servers, and which of them the user has connected.
async fn home(State(app): State<App>, user: CurrentSession) -> Result<Html<String>, Rejection> {
    let mut rows = Vec::new();
    for (name, _) in &app.servers {
        let connection = app.sessions.find_connection(user.user(), name).await?;
        rows.push((name.as_str(), connection.is_some()));
    }
    Ok(Html(page::home(user.user().as_str(), &rows)))
}

/// Lists the tools of a server.
async fn list(
    State(app): State<App>,
    Path(server): Path<String>,
    user: CurrentSession,
) -> Result<Json<Value>, ToolFailure> {
    let client = app.open(user.user(), &server).await?;
    let listed = client.list_all_tools().await;
    close(client).await;
    let names: Vec<_> = listed?.into_iter().map(|tool| tool.name).collect();
    Ok(Json(json!({ "tools": names })))
}

/// Calls a tool that needs no arguments.
async fn call(
    State(app): State<App>,
    Path((server, tool)): Path<(String, String)>,
    user: CurrentSession,
) -> Result<Json<Value>, ToolFailure> {
    let client = app.open(user.user(), &server).await?;
    let called = client.call_tool(CallToolRequestParams::new(tool)).await;
    close(client).await;
    let content = called?.content;
    let texts = content.iter().filter_map(|part| Some(part.as_text()?.text.clone()));
    Ok(Json(json!({ "text": texts.collect::<Vec<_>>().join("\n") })))
}

async fn close(client: RunningService<RoleClient, ()>) {
    if let Err(error) = client.cancel().await {
        tracing::debug!(%error, "a client of a tool server did not close");
    }
}
