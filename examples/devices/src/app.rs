//! A running copy of the application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use identity_provider::RunningProvider;
use session_core::manager::{Maintenance, StartError};
use session_core::{Keyring, SessionManager, SessionStore};
use session_tower::devices::DevicesPage;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use crate::listener::Listen;
use crate::page;
use crate::provider_client::ProviderClient;
use crate::routes::{self, AppState};
use crate::settings::Settings;
use crate::sign_in::sign_in;
use crate::startup_error::StartupError;

/// How often ended sessions are purged and their tokens revoked. Short, so that it can be watched.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);

/// How long a shutdown waits for requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a shutdown waits for renewals, so that a rotated token is stored.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A running copy of the application.
#[derive(Debug)]
pub(crate) struct App {
    state: Arc<AppState>,
    store: Arc<dyn SessionStore>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    provider: Option<RunningProvider>,
    _maintenance: Maintenance,
}

impl App {
    /// Starts a copy. It serves requests when this returns.
    pub(crate) async fn start(settings: Settings) -> Result<Self, StartupError> {
        // First, so that a taken address fails before anything is created.
        let listener = bind(settings.listen).await?;
        let address = listener.local_addr().map_err(|error| {
            StartupError::caused_by("cannot read the address of the listener", error)
        })?;
        let store = settings.database.open().await?;
        let keyring = settings.keys.keyring(&*store).await?;
        let (mut client, built_in) = ProviderClient::begin(&settings.provider).await?;
        if let Some(name) = &settings.provider_name {
            client.name = name.clone();
        }
        let manager = manager(&store, keyring, &settings, &client).await?;
        let sign_in = sign_in(&manager, &client, address)?;
        let sessions = sign_in.session_layer().with_cookie(settings.cookie.session_cookie()?);
        let (stop, closing) = watch::channel(false);
        let state = Arc::new(AppState {
            devices: DevicesPage::new(manager.clone()).with_document(page::devices),
            tool: OnceCell::new(),
            manager,
            provider: client,
            has_built_in_provider: built_in.is_some(),
            closing: closing.clone(),
        });
        let router = routes::router(Arc::clone(&state), &sign_in, sessions);
        let server = tokio::spawn(serve(listener, router, closing));
        let maintenance = state.manager.maintain(MAINTENANCE_INTERVAL);
        Ok(Self {
            state,
            store,
            address,
            stop,
            server,
            provider: built_in,
            _maintenance: maintenance,
        })
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The issuer that users sign in with.
    pub(crate) fn issuer(&self) -> &str {
        self.state.provider.openid.issuer()
    }

    /// The built-in provider, if this copy runs it.
    pub(crate) fn provider(&self) -> Option<&RunningProvider> {
        self.provider.as_ref()
    }

    /// The session store.
    pub(crate) fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// The session manager.
    pub(crate) fn manager(&self) -> &SessionManager {
        &self.state.manager
    }

    /// Closes open streams, waits for requests and renewals, and stops. Returns whether all of them
    /// finished in time.
    pub(crate) async fn shutdown(mut self) -> bool {
        self.stop.send_replace(true);
        let served = tokio::time::timeout(REQUEST_TIMEOUT, &mut self.server).await.is_ok();
        self.server.abort();
        // The built-in provider must outlive the renewals, which call it.
        self.state.manager.shutdown(RENEWAL_TIMEOUT).await && served
    }
}

async fn bind(listen: Listen) -> Result<TcpListener, StartupError> {
    listen
        .bind()
        .await
        .map_err(|error| StartupError::caused_by("cannot listen on that address (--listen)", error))
}

async fn manager(
    store: &Arc<dyn SessionStore>,
    keyring: Keyring,
    settings: &Settings,
    client: &ProviderClient,
) -> Result<SessionManager, StartupError> {
    let provider = Arc::clone(&client.openid);
    let manager = SessionManager::builder(Arc::clone(store))
        .policy(settings.policy.clone())
        .keyring(keyring)
        .provider(client.name.as_str(), provider);
    manager.start().await.map_err(|error| {
        let what = match error {
            StartError::WrongKey { .. } => {
                "the sealing keys (SESSION_KEYS or devices.keys) cannot open the sessions in the \
                 database; nothing was changed"
            }
            _ => "cannot start the session manager",
        };
        StartupError::caused_by(what, error)
    })
}

async fn serve(
    listener: TcpListener,
    router: Router,
    mut closing: watch::Receiver<bool>,
) -> std::io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: stop then too.
            let _ = closing.wait_for(|is_closing| *is_closing).await;
        })
        .await
}
