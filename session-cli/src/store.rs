//! Opens the store and its keys.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::sea_orm::SeaOrmStore;
use session_core::{Keyring, SessionManager, SessionPolicy, SessionStore};

use crate::arguments::ProviderArgument;
use crate::error::CliError;

/// The store of the service.
pub(crate) struct OpenStore {
    pub(crate) store: Arc<SeaOrmStore>,
}

impl OpenStore {
    pub(crate) async fn open(database: &SecretString) -> Result<Self, CliError> {
        let url = database.expose_secret();
        if url.is_empty() {
            return Err(CliError::NoDatabase);
        }
        Ok(Self { store: Arc::new(SeaOrmStore::connect(url).await?) })
    }

    /// Starts a manager that does no maintenance of its own, and to which no session has timed out: the
    /// service's policy is not known here.
    pub(crate) async fn manager(
        &self,
        keys: Option<&SecretString>,
        providers: &[ProviderArgument],
        retention: Option<Duration>,
    ) -> Result<SessionManager, CliError> {
        let mut policy = SessionPolicy::builder().without_idle_timeout().without_absolute_timeout();
        if let Some(retention) = retention {
            policy = policy.retention(retention).renewal_event_retention(retention);
        }
        let store: Arc<dyn SessionStore> = Arc::<SeaOrmStore>::clone(&self.store);
        let mut manager =
            SessionManager::builder(store).policy(policy.build()?).keyring(keyring(keys)?);
        for provider in providers {
            manager = manager.provider(&*provider.name, client(provider)?);
        }
        Ok(manager.start().await?)
    }
}

pub(crate) fn keyring(keys: Option<&SecretString>) -> Result<Keyring, CliError> {
    Ok(Keyring::parse(keys.ok_or(CliError::NoKeys)?.expose_secret())?)
}

fn client(provider: &ProviderArgument) -> Result<OpenIdProvider, CliError> {
    let ProviderArgument { name, issuer, client_id } = provider;
    let mut client = OpenIdProvider::builder(issuer, client_id, DefaultHttpClient::new()?);
    let variable = format!("{}_CLIENT_SECRET", name.to_uppercase().replace(['-', ':'], "_"));
    if let Ok(secret) = std::env::var(variable) {
        client = client.with_client_secret(secret.into());
    }
    // Over plain http only where the provider is on this machine.
    Ok(client.dangerous_insecure_loopback().build()?)
}
