//! Runs the chat with a provider built in: `cargo run -p websocket`, then open the printed address in
//! two browsers, sign in with any name, and end one from the other at `/devices`.

use std::sync::Arc;
use std::time::Duration;

use identity_provider::{Client, IdentityProvider};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use websocket::App;

const ADDRESS: &str = "http://localhost:3000";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let client = Client::new("app")
        .secret("app-secret")
        .redirect_uri(format!("{ADDRESS}/callback"))
        .post_logout_redirect_uri(format!("{ADDRESS}/"));
    let idp = IdentityProvider::builder().client(client).build()?;
    let idp = idp.spawn(TcpListener::bind("127.0.0.1:0").await?)?;

    // In production: an issuer with https, and not `dangerous_insecure_loopback`.
    let okta = OpenIdProvider::builder(idp.issuer().as_str(), "app", DefaultHttpClient::new()?)
        .with_client_secret("app-secret".to_owned().into())
        .dangerous_insecure_loopback()
        .build()?;
    let okta = Arc::new(okta);
    let sessions = SessionManager::builder(MemoryStore::new())
        .keyring(Keyring::parse(&Keyring::generate_entry("demo")?)?)
        .provider("okta", Arc::clone(&okta))
        .start()
        .await?;
    let _maintenance = sessions.maintain(Duration::from_secs(10));
    let sign_in = OpenIdSignIn::builder(sessions.clone(), ADDRESS)
        .dev(listener.local_addr()?) // in production: the https address above, and not this line
        .provider(ProviderName::new("okta")?, okta)
        .build()?;

    let (room, _) = broadcast::channel(64);
    let app = App { sessions: sessions.clone(), sign_in, origin: ADDRESS.to_owned(), room };
    tracing::info!("open {ADDRESS} in two browsers");
    axum::serve(listener, app.router())
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    sessions.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
