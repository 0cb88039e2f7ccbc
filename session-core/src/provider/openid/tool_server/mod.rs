//! Tool servers (MCP) that users connect, and their authorization servers, which need not be OpenID
//! providers (feature `openid`).
//!
//! A [`ToolServer`] is a [`Provider`](crate::Provider): it renews and revokes the tokens of
//! connections. It also begins and completes the authorization of a connection, as the MCP
//! specification asks (revision 2026-07-28): the tool server's metadata (RFC 9728) and those of its
//! authorization server (RFC 8414, or OpenID Connect Discovery), PKCE, and the `resource` in each
//! request (RFC 8707).
//!
//! ```no_run
//! # async fn example(
//! #     http: impl session_core::provider::openid::HttpClient,
//! #     query: &str,
//! #     sessions: session_core::SessionManager,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use session_core::provider::openid::Callback;
//! use session_core::provider::tool_server::{RegisteredClient, ToolServer};
//! use session_core::{ProviderName, UserId};
//!
//! let files = ToolServer::builder("https://files.example/mcp", "https://id.example", http)
//!     .with_redirect_uri("https://app.example/tools/callback")
//!     .with_registration(RegisteredClient::new("my-app"))
//!     .build()?;
//!
//! // Send the browser to `url`, keep `pending` in a short-lived cookie that is the user's own.
//! let request = files.connection_request().await?;
//!
//! // At the callback: the same user must be signed in. Remove the cookie, whatever the outcome.
//! let tokens = files.complete_connection(request.pending, Callback::from_query(query)).await?;
//! let (ann, provider) = (UserId::new("ann")?, ProviderName::new("mcp:files")?);
//! sessions.connect(&ann, &provider, tokens).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Security
//!
//! The application names the tool server and its authorization server. What the tool server says is
//! checked against that, and leads nowhere else: an address of its metadata must have its own origin,
//! and an authorization server that the application has not named is never asked, so that a tool
//! server can neither swap it later nor let this process send requests into a network of its choice.
//! The endpoints come from the named authorization server's own document: https, or http on loopback
//! where the builder allows it. Host names are resolved by the application's HTTP client: that a
//! *named* host does not point into a private network is not checked here. Redirects are not followed,
//! and a call has a limit of time and size, as for every provider.

mod builder;
mod challenge;
mod client;
mod connect;
mod pending;
mod registration;
mod resource_metadata;
mod server;
mod server_metadata;

pub use builder::ToolServerBuilder;
pub use pending::{ConnectionRequest, PendingConnection};
pub use registration::{ClientRegistration, RegisteredClient};
pub use server::ToolServer;
pub use server_metadata::AuthorizationServerMetadata;
