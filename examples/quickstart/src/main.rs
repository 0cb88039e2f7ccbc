//! Sign-in, devices, a call to another service, and sign-out.

use std::{env, sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::get};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::sea_orm::SeaOrmStore;
use session_core::{Keyring, ProviderName, SessionManager};
use session_tower::{CurrentSession, Rejection};
use session_tower::{devices::DevicesPage, outgoing::OutgoingClient, sign_in::OpenIdSignIn};

const DATABASE: &str = "sqlite://app.sqlite?mode=rwc";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    session_migrate::up(DATABASE).await?; // the tables
    // http for a provider on this machine, such as a container; all others are reached by https.
    let okta = Arc::new(OpenIdProvider::from_env("OKTA")?.dangerous_insecure_loopback().build()?);
    let sessions = SessionManager::builder(SeaOrmStore::connect(DATABASE).await?)
        .keyring(Keyring::from_env_or_dev_file("SESSION_KEYS", "session.keys")?)
        .provider("okta", Arc::clone(&okta))
        .start()
        .await?;
    let _maintenance = sessions.maintain(Duration::from_secs(10));
    let port = env::var("PORT").unwrap_or("3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let sign_in = OpenIdSignIn::builder(sessions.clone(), format!("http://localhost:{port}"))
        .dev(listener.local_addr()?) // in production: the https address above, and not this line
        .provider(ProviderName::new("okta")?, okta)
        .build()?;
    let api = env::var("API").unwrap_or("https://api.example".into());
    let api = OutgoingClient::new(sessions.clone(), DefaultHttpClient::new()?, &api)?;
    axum::serve(listener, app(&sessions, &sign_in, api))
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    sessions.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

fn app(sessions: &SessionManager, sign_in: &OpenIdSignIn, api: OutgoingClient) -> Router {
    Router::new()
        .route("/", get(async |session: CurrentSession| format!("Hello, {}", session.user())))
        .route("/me", get(me))
        .with_state(api)
        .route_service("/devices", DevicesPage::new(sessions.clone()))
        .route_service("/login", sign_in.login())
        .route_service("/callback", sign_in.callback())
        .route_service("/logout", sign_in.logout())
        .layer(sign_in.session_layer())
        .route_service("/backchannel-logout", sign_in.back_channel_logout())
}

/// Calls another service with the session's access token, which is renewed where needed.
async fn me(State(api): State<OutgoingClient>, user: CurrentSession) -> Result<Vec<u8>, Rejection> {
    Ok(api.get(&user, "/me").await?.into_body())
}

#[cfg(test)]
mod tests;
