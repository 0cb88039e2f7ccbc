//! Runs the application with a provider and two tool servers, each at an address of its own:
//! `cargo run -p mcp-tools`, then open the printed address in two browsers.

use std::sync::Arc;
use std::time::Duration;

use identity_provider::{Client, IdentityProvider};
use mcp_tools::{App, tool_server};
use session_core::manager::ManagerBuilder;
use session_core::policy::Rule;
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::provider::tool_server::{RegisteredClient, ToolServer};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager, SessionPolicy};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;

const ADDRESS: &str = "http://localhost:3000";
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let provider = provider()?.spawn(TcpListener::bind("127.0.0.1:0").await?)?;
    let issuer = provider.issuer().to_string();
    let http = reqwest13::Client::builder().redirect(reqwest13::redirect::Policy::none());
    let http = http.no_proxy().build()?;

    let mut servers = Vec::new();
    for name in ["files", "mail"] {
        let url = serve_tools(name, &issuer, http.clone()).await?;
        // In production: addresses with https, and not `dangerous_insecure_loopback`.
        let server = ToolServer::builder(url, &issuer, DefaultHttpClient::new()?)
            .with_redirect_uri(format!("{ADDRESS}/tools/callback"))
            .with_registration(
                RegisteredClient::new("connector")
                    .with_secret("connector-secret".to_owned().into()),
            )
            .dangerous_insecure_loopback()
            .build()?;
        servers.push((ProviderName::new(format!("mcp:{name}"))?, Arc::new(server)));
    }
    let okta = OpenIdProvider::builder(&issuer, "app", DefaultHttpClient::new()?)
        .with_client_secret("app-secret".to_owned().into())
        .dangerous_insecure_loopback()
        .build()?;
    let okta = Arc::new(okta);

    // One connection for each tool server, which lives on while no device uses it.
    let tools = Rule::for_provider("mcp:*").replace().without_idle_timeout().keep_alive(WEEK);
    let sessions = SessionManager::builder(MemoryStore::new())
        .policy(SessionPolicy::builder().rule(tools.absolute_timeout(WEEK * 52)).build()?)
        .keyring(Keyring::parse(&Keyring::generate_entry("demo")?)?)
        .provider("okta", Arc::clone(&okta));
    let add = |sessions, (name, server): &(ProviderName, Arc<ToolServer>)| {
        ManagerBuilder::provider(sessions, name.as_str(), Arc::clone(server))
    };
    let sessions = servers.iter().fold(sessions, add).start().await?;
    let _maintenance = sessions.maintain(Duration::from_secs(60));
    let sign_in = OpenIdSignIn::builder(sessions.clone(), ADDRESS)
        .dev(listener.local_addr()?)
        .provider(ProviderName::new("okta")?, okta)
        .build()?;

    let app = App { sessions: sessions.clone(), sign_in, servers, http };
    tracing::info!("open {ADDRESS} in two browsers");
    axum::serve(listener, app.router()?)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    sessions.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// The provider of users and tools: it asks for no password.
fn provider() -> anyhow::Result<IdentityProvider> {
    let app = Client::new("app")
        .secret("app-secret")
        .redirect_uri(format!("{ADDRESS}/callback"))
        .post_logout_redirect_uri(format!("{ADDRESS}/"));
    let connector = Client::new("connector")
        .secret("connector-secret")
        .redirect_uri(format!("{ADDRESS}/tools/callback"));
    let tools = Client::new("tools").secret("tools-secret");
    Ok(IdentityProvider::builder().client(app).client(connector).client(tools).build()?)
}

/// Serves a tool server in the background, and returns the address of its tools.
async fn serve_tools(name: &str, issuer: &str, http: reqwest13::Client) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let settings = tool_server::Settings {
        name: name.to_owned(),
        resource: resource.clone(),
        issuer: issuer.to_owned(),
        credentials: ("tools".to_owned(), "tools-secret".to_owned()),
        http,
    };
    tokio::spawn(async move { axum::serve(listener, tool_server::router(settings)).await });
    Ok(resource)
}
