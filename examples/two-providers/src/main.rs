//! Runs the application with two providers: `cargo run -p two-providers`, then open the printed address
//! and sign in with the same name at both.

use std::sync::Arc;
use std::time::Duration;

use identity_provider::{Client, IdentityProvider, RunningProvider};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;
use two_providers::{Accounts, router};

const ADDRESS: &str = "http://localhost:3000";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let (okta, apple) = (ProviderName::new("okta")?, ProviderName::new("apple")?);
    let (at_okta, at_apple) = (provider().await?, provider().await?);
    let (okta_client, apple_client) = (client_of(&at_okta)?, client_of(&at_apple)?);
    let sessions = SessionManager::builder(MemoryStore::new())
        .keyring(Keyring::parse(&Keyring::generate_entry("demo")?)?)
        .provider("okta", Arc::clone(&okta_client))
        .provider("apple", Arc::clone(&apple_client))
        .start()
        .await?;
    let _maintenance = sessions.maintain(Duration::from_secs(10));
    let sign_in = OpenIdSignIn::builder(sessions.clone(), ADDRESS)
        .dev(listener.local_addr()?) // in production: the https address above, and not this line
        .provider(okta.clone(), okta_client)
        .provider(apple.clone(), apple_client)
        .form_post(apple.clone())
        .users(Accounts::trusting([okta, apple]))
        .login_path("/choose")
        .build()?;
    tracing::info!("open {ADDRESS}");
    axum::serve(listener, router(sessions.clone(), &sign_in))
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    sessions.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// A provider that asks for no password.
async fn provider() -> anyhow::Result<RunningProvider> {
    let app = Client::new("app")
        .secret("app-secret")
        .redirect_uri(format!("{ADDRESS}/callback"))
        .post_logout_redirect_uri(format!("{ADDRESS}/"));
    let provider = IdentityProvider::builder().client(app).build()?;
    Ok(provider.spawn(TcpListener::bind("127.0.0.1:0").await?)?)
}

/// In production: an issuer with https, and not `dangerous_insecure_loopback`.
fn client_of(provider: &RunningProvider) -> anyhow::Result<Arc<OpenIdProvider>> {
    let issuer = provider.issuer().as_str();
    let client = OpenIdProvider::builder(issuer, "app", DefaultHttpClient::new()?)
        .with_client_secret("app-secret".to_owned().into())
        .dangerous_insecure_loopback();
    Ok(Arc::new(client.build()?))
}
