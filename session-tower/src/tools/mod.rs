//! Ready-made connections to tool servers (MCP), on top of the ready-made sign-in (feature `sign-in`).
//!
//! A signed-in user connects a tool server once; the connection is a session without a cookie, which
//! all of the user's devices use, and which no browser's end or eviction touches.
//! [`ToolConnections`] gives two services, which stand inside of the
//! [`SessionLayer`](crate::SessionLayer):
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use session_core::ProviderName;
//! use session_core::provider::tool_server::ToolServer;
//! use session_tower::sign_in::OpenIdSignIn;
//! use session_tower::tools::ToolConnections;
//!
//! # fn app(sign_in: OpenIdSignIn, files: Arc<ToolServer>)
//! #     -> Result<axum::Router, Box<dyn std::error::Error>> {
//! // Also of the manager: `.provider("mcp:files", Arc::clone(&files))`, and a policy with a rule:
//! // `Rule::for_provider("mcp:*").replace().without_idle_timeout().keep_alive(week)`.
//! let tools = ToolConnections::builder(&sign_in)
//!     .server(ProviderName::new("mcp:files")?, files)
//!     .build()?;
//! let app = axum::Router::new()
//!     .route_service("/tools/connect", tools.connect())
//!     .route_service("/tools/callback", tools.callback()) // the path of the servers' redirect URI
//!     .layer(sign_in.session_layer());
//! # Ok(app)
//! # }
//! ```
//!
//! ```text
//! POST /tools/connect   server=mcp:files&return_to=/   one sealed cookie; redirect to the authorization server
//! GET  /tools/callback?code=…&state=…                  checks, tokens, connection; redirect to return_to
//! ```
//!
//! Calls go through [`outgoing`](crate::outgoing), on behalf of what
//! [`find_connection`](session_core::SessionManager::find_connection) returns. Where a call
//! [needs a sign-in](crate::outgoing::OutgoingError::needs_sign_in), or there is no connection, the user
//! connects the tool server again. The [`devices`](crate::devices) page lists connections and ends them.
//!
//! # Security
//!
//! Only tool servers that the application has registered by name are connected. The connection begins
//! with a form of this site, and completes in the same browser while the same user is signed in there:
//! otherwise a user could be made to work with another one's tools. Each record is sealed and used once
//! (R9), and `return_to` leads to a path of this site only. What is checked of a tool server and its
//! authorization server: [`tool_server`](session_core::provider::tool_server).

mod builder;
mod connections;
mod failure;
mod services;

pub use builder::{ToolConfigError, ToolConnectionsBuilder};
pub use connections::ToolConnections;
pub use failure::{ConnectFailure, ConnectFailureKind};
pub use services::{ConnectCallbackService, ConnectService};
