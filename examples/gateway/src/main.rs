//! Runs the gateway.
//!
//! ```text
//! cargo run -p identity-provider -- --help        a provider to try it with
//! cargo run -p gateway -- --upstream http://127.0.0.1:8080 --issuer https://id.example \
//!     --client-id app --public-url https://app.example
//! ```
//!
//! Secrets come from the environment: `SESSION_KEYS`, `CLIENT_SECRET` and `ASSERTION_SECRET`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use clap::Parser;
use gateway::{Assertions, CALLBACK, Gateway, LOGIN, SECRET_BYTES};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use session_core::policy::OnFull;
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::sea_orm::SeaOrmStore;
use session_core::{Keyring, ProviderName, SessionManager, SessionPolicy};
use session_tower::sign_in::OpenIdSignIn;

type Failed = Box<dyn std::error::Error>;

/// How long requests in progress may take after the gateway is asked to end.
const MAX_DRAIN: Duration = Duration::from_secs(5);

/// The provider's name in every session.
const PROVIDER: &str = "gateway";

/// Signs users in, and passes their requests on with their access tokens.
#[derive(Debug, Parser)]
struct Arguments {
    /// The origin of the application: https, or on this machine.
    #[arg(long)]
    upstream: Uri,
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The address that browsers use (default: where it listens).
    #[arg(long)]
    public_url: Option<String>,
    /// The provider's issuer.
    #[arg(long)]
    issuer: String,
    /// The client id at the provider; `PUBLIC_URL/_gateway/callback` is its redirect URI.
    #[arg(long)]
    client_id: String,
    #[arg(long, env = "CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<SecretString>,
    /// The scope that the upstream's access token needs.
    #[arg(long, default_value = "profile email offline_access")]
    scope: String,
    /// On how many devices a user may be signed in; one more signs the first one out.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    max_sessions: u32,
    /// The database of the sessions.
    #[arg(long, default_value = "sqlite://gateway.db?mode=rwc")]
    database: String,
    /// The sealing keys; `session-migrate key` makes one.
    #[arg(long, env = "SESSION_KEYS", hide_env_values = true)]
    session_keys: SecretString,
    /// What the application checks assertions with, of 32 bytes or more.
    #[arg(long, env = "ASSERTION_SECRET", hide_env_values = true)]
    assertion_secret: SecretString,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Box::pin(serve(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the gateway cannot serve");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), Failed> {
    // Registered first, so that a signal during the start is not lost.
    let stop_signal = stop_signal()?;
    let public_url =
        arguments.public_url.clone().unwrap_or_else(|| format!("http://{}", arguments.listen));
    let provider = Arc::new(provider(&arguments)?);
    session_migrate::up(&arguments.database).await?;
    let policy = SessionPolicy::builder().max_sessions(arguments.max_sessions);
    let sessions = SessionManager::builder(SeaOrmStore::connect(&arguments.database).await?)
        .policy(policy.on_full(OnFull::EvictOldest).build()?)
        .keyring(Keyring::parse(arguments.session_keys.expose_secret())?)
        .provider(PROVIDER, Arc::clone(&provider))
        .start()
        .await?;
    let _maintenance = sessions.maintain(Duration::from_secs(60));
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "the gateway listens");
    let mut sign_in = OpenIdSignIn::builder(sessions.clone(), &public_url)
        .provider(ProviderName::new(PROVIDER)?, provider)
        .login_path(LOGIN)
        .callback_path(CALLBACK)
        .scope(&arguments.scope);
    if is_plain(&public_url) {
        sign_in = sign_in.dev(listener.local_addr()?);
    }
    let gateway = Gateway {
        sessions: sessions.clone(),
        sign_in: sign_in.build()?,
        assertions: assertions(&public_url, &arguments)?,
        upstream: arguments.upstream,
    };
    let service = gateway.router()?.into_make_service_with_connect_info::<SocketAddr>();
    let stopping = tokio_util::sync::CancellationToken::new();
    let stop = stopping.clone();
    let served = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop_signal.await;
        tracing::info!("the gateway shuts down");
        stop.cancel();
    });
    tokio::select! {
        served = served.into_future() => served?,
        // Web sockets and streams do not end by themselves.
        () = async { stopping.cancelled().await; tokio::time::sleep(MAX_DRAIN).await; } => {}
    }
    sessions.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// Returns what completes when the process is asked to end, by Ctrl-C or, as service managers do it, by
/// SIGTERM.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>, Failed> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> Result<impl Future<Output = ()>, Failed> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn provider(arguments: &Arguments) -> Result<OpenIdProvider, Failed> {
    let (issuer, id) = (&arguments.issuer, &arguments.client_id);
    let mut client = OpenIdProvider::builder(issuer, id, DefaultHttpClient::new()?);
    if let Some(secret) = &arguments.client_secret {
        client = client.with_client_secret(secret.clone());
    }
    // Over plain http only where the provider is on this machine.
    Ok(client.dangerous_insecure_loopback().build()?)
}

fn is_plain(url: &str) -> bool {
    url.starts_with("http://")
}

fn assertions(public_url: &str, arguments: &Arguments) -> Result<Assertions, Failed> {
    let secret = arguments.assertion_secret.expose_secret().as_bytes().to_vec();
    let upstream = arguments.upstream.to_string();
    let assertions = Assertions::new(public_url, &upstream, SecretSlice::from(secret));
    assertions.ok_or_else(|| {
        format!("ASSERTION_SECRET needs {SECRET_BYTES} bytes, and --public-url an address").into()
    })
}
