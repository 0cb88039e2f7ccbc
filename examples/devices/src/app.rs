//! One copy of the application, running.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use identity_provider::RunningProvider;
use session_core::manager::{Maintenance, StartError};
use session_core::{Keyring, SessionManager, SessionStore};
use session_tower::SessionLayer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::identity::Identity;
use crate::listener::Listen;
use crate::routes;
use crate::settings::Settings;
use crate::sign_in::PendingCookies;
use crate::site::Site;

/// How often what is over is purged and revoked: soon enough for a demonstration to be watched.
const MAINTENANCE: Duration = Duration::from_secs(5);

/// How long requests may still take at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// How long a rotated token may still need to be written.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// A copy that serves.
#[derive(Debug)]
pub(crate) struct App {
    site: Arc<Site>,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    provider: Option<RunningProvider>,
    _maintenance: Maintenance,
}

impl App {
    /// Starts a copy; it serves when this comes back.
    pub(crate) async fn start(settings: Settings) -> Result<Self, Failure> {
        // First of all, so that nothing has begun where it fails.
        let listener = bind(settings.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::caused_by("the address is not known", error))?;
        let store = settings.database.open().await?;
        let rows = store.sample_per_key().await;
        let rows =
            rows.map_err(|error| Failure::caused_by("the database cannot be read", error))?;
        let keys = settings.keys.keys_for(&rows)?;
        let (mut identity, provider) = Identity::begin(&settings.provider).await?;
        if let Some(name) = &settings.provider_name {
            identity.name = name.clone();
        }
        let manager = manager(&store, keys.keyring()?, &settings, &identity).await?;
        let sessions =
            SessionLayer::new(manager.clone()).with_cookie(settings.cookie.session_cookie()?);
        let (stop, closing) = watch::channel(false);
        let site = Arc::new(Site {
            manager,
            store,
            identity,
            pending: PendingCookies::new(keys.keyring()?, settings.cookie.is_secure)?,
            address,
            is_built_in: provider.is_some(),
            closing: closing.clone(),
        });
        let router = routes::router(Arc::clone(&site), sessions);
        let server = tokio::spawn(serve(listener, router, closing));
        let maintenance = site.manager.maintain(MAINTENANCE);
        Ok(Self { site, stop, server, provider, _maintenance: maintenance })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.site.address
    }

    /// Who signs people in.
    pub(crate) fn issuer(&self) -> &str {
        self.site.identity.openid.issuer()
    }

    /// The built-in provider, if it is this copy's.
    pub(crate) fn provider(&self) -> Option<&RunningProvider> {
        self.provider.as_ref()
    }

    /// Where the sessions lie.
    pub(crate) fn store(&self) -> &Arc<dyn SessionStore> {
        &self.site.store
    }

    /// The sessions.
    pub(crate) fn manager(&self) -> &SessionManager {
        &self.site.manager
    }

    /// Ends open streams, lets requests and renewals come to their end, and stops. Whether all of
    /// them did in time.
    pub(crate) async fn shutdown(mut self) -> bool {
        self.stop.send_replace(true);
        let served = tokio::time::timeout(LAST_REQUESTS, &mut self.server).await.is_ok();
        self.server.abort();
        // The provider runs until here: a renewal that has begun still needs it.
        self.site.manager.shutdown(LAST_WRITES).await && served
    }
}

async fn bind(listen: Listen) -> Result<TcpListener, Failure> {
    listen.bind().await.map_err(|error| {
        Failure::caused_by("there is no listening at that address (--listen)", error)
    })
}

async fn manager(
    store: &Arc<dyn SessionStore>,
    keyring: Keyring,
    settings: &Settings,
    identity: &Identity,
) -> Result<SessionManager, Failure> {
    let provider = Arc::clone(&identity.openid);
    let manager = SessionManager::builder(Arc::clone(store))
        .policy(settings.policy.clone())
        .keyring(keyring)
        .provider(identity.name.as_str(), provider);
    manager.start().await.map_err(|error| {
        let what = match error {
            StartError::WrongKey { .. } => {
                "the sealing keys (SESSION_KEYS or devices.keys) are not the ones that sealed what \
                 the database holds; nothing was changed"
            }
            _ => "the sessions cannot be served",
        };
        Failure::caused_by(what, error)
    })
}

async fn serve(
    listener: TcpListener,
    router: Router,
    mut closing: watch::Receiver<bool>,
) -> std::io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error says that the application is gone, which is an end as well.
            let _ = closing.wait_for(|is_closing| *is_closing).await;
        })
        .await
}
