//! Runs the application with a provider of accounts: `cargo run -p axum-login-example`, then open the
//! printed address in two browsers, and sign in as `ann` or `bob`; the password is the name.

use std::sync::Arc;
use std::time::Duration;

use axum_login_example::{App, Users, known_user};
use identity_provider::{Client, IdentityProvider};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager};
use session_tower::outgoing::OutgoingClient;
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;

const ADDRESS: &str = "http://localhost:3000";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let client = Client::new("app")
        .secret("app-secret")
        .redirect_uri(format!("{ADDRESS}/callback"))
        .post_logout_redirect_uri(format!("{ADDRESS}/"));
    let accounts = IdentityProvider::builder().client(client).build()?;
    let accounts = accounts.spawn(TcpListener::bind("127.0.0.1:0").await?)?;
    let issuer = accounts.issuer().as_str().trim_end_matches('/');

    // In production: an issuer with https, and not `dangerous_insecure_loopback`.
    let provider = OpenIdProvider::builder(issuer, "app", DefaultHttpClient::new()?)
        .with_client_secret("app-secret".to_owned().into())
        .dangerous_insecure_loopback()
        .build()?;
    let provider = Arc::new(provider);
    let sessions = SessionManager::builder(MemoryStore::new())
        .keyring(Keyring::parse(&Keyring::generate_entry("demo")?)?)
        .provider("accounts", Arc::clone(&provider))
        .start()
        .await?;
    let _maintenance = sessions.maintain(Duration::from_secs(10));
    let sign_in = OpenIdSignIn::builder(sessions.clone(), ADDRESS)
        .dev(listener.local_addr()?) // in production: the https address above, and not this line
        .provider(ProviderName::new("accounts")?, provider)
        .login_path("/connect")
        .known_user(known_user)
        .build()?;
    let calendar = OutgoingClient::new(sessions.clone(), DefaultHttpClient::new()?, issuer)?;
    let users = Users::new([("ann", "ann"), ("bob", "bob")]);

    let app = App { users, sessions: sessions.clone(), sign_in, calendar };
    tracing::info!("open {ADDRESS} in two browsers");
    axum::serve(listener, app.router())
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    sessions.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
