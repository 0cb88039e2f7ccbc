//! The provider and its builder.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use openidconnect::IssuerUrl;
use tokio::net::TcpListener;

use crate::client::Client;
use crate::clock::Clock;
use crate::control::Control;
use crate::key::{KeyError, SigningKey};
use crate::provider::{Provider, Shared};
use crate::redirect_uri;
use crate::router;
use crate::server::{self, RunningProvider};
use crate::settings::Settings;
use crate::user::{User, accepted_name};

/// An OpenID Connect provider, ready to be served. Clones share their state, so that a provider can be
/// stopped and served again later or at another address.
#[derive(Clone, Debug)]
pub struct IdentityProvider(Arc<Shared>);

impl IdentityProvider {
    /// Creates a builder with the client [`Client::devices`] and no listed users.
    pub fn builder() -> IdentityProviderBuilder {
        IdentityProviderBuilder {
            clients: vec![Client::devices()],
            clock: Clock::system(),
            key: None,
            settings: Settings::default(),
            users: Vec::new(),
        }
    }

    /// Returns the handle that changes and reads the provider while it runs.
    #[must_use]
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.0))
    }

    /// Returns the endpoints for another server, which must be reachable at `issuer`.
    ///
    /// Only [`serve`](Self::serve) and [`spawn`](Self::spawn) can close a connection without a response;
    /// another server sends a 500 without a body instead.
    pub fn router(&self, issuer: IssuerUrl) -> Router {
        router::router(Provider::new(issuer, Arc::clone(&self.0)))
    }

    /// Serves on the listener until the future is dropped. The issuer is `http://` and the listener's
    /// address.
    ///
    /// # Errors
    ///
    /// Returns an error if the address of the listener cannot be read.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let (_, issuer) = server::issuer_of(&listener)?;
        server::accept(listener, self.router(issuer)).await;
        Ok(())
    }

    /// Serves on the listener in a background task, until the returned handle is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the address of the listener cannot be read.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn spawn(self, listener: TcpListener) -> io::Result<RunningProvider> {
        let (address, issuer) = server::issuer_of(&listener)?;
        let router = self.router(issuer.clone());
        let task = tokio::spawn(server::accept(listener, router));
        Ok(RunningProvider::new(address, issuer, self.control(), task))
    }
}

/// Settings of an [`IdentityProvider`] before it is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct IdentityProviderBuilder {
    clients: Vec<Client>,
    clock: Clock,
    key: Option<SigningKey>,
    settings: Settings,
    users: Vec<User>,
}

impl IdentityProviderBuilder {
    /// Registers a client. It replaces a client with the same id, including `devices`.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds a user to the login form. Unlisted users can sign in too.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Sets how long access tokens are valid. Default: 5 minutes.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_token_lifetime = lifetime;
        self
    }

    /// Signs in the user named by `login_hint` without a form. Default: off.
    pub fn auto_login(mut self, is_on: bool) -> Self {
        self.settings.auto_login = is_on;
        self
    }

    /// Changes settings; they can also be changed later, by the control handle.
    pub fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Reads the time from `now`, in epoch milliseconds. Default: the system's clock.
    pub fn clock(mut self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Sets the signing key. Default: a new one, which takes a moment to generate.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Checks the settings and creates the provider.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] if a client or user is invalid, or the key cannot be generated.
    pub fn build(self) -> Result<IdentityProvider, BuildError> {
        self.clients.iter().try_for_each(check_client)?;
        self.users.iter().try_for_each(check_user)?;
        let key = self.key.map_or_else(SigningKey::generate, Ok)?;
        let clients: HashMap<_, _> =
            self.clients.into_iter().map(|client| (client.id.clone(), client)).collect();
        let users: BTreeMap<_, _> =
            self.users.into_iter().map(|user| (user.subject.clone(), user)).collect();
        Ok(IdentityProvider(Arc::new(Shared::new(clients, users, key, self.clock, self.settings))))
    }
}

/// Why a provider cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A client's id is empty.
    #[error("client id is empty")]
    ClientId,
    /// There is no signing key.
    #[error("no signing key")]
    Key(#[from] KeyError),
    /// A client's redirect URI is not an absolute URL, or has a fragment.
    #[error("{field} of client {client:?} is not an absolute url without a fragment")]
    RedirectUri {
        /// The client's id.
        client: String,
        /// `redirect_uri` or `post_logout_redirect_uri`.
        field: &'static str,
        /// The parse error, if it does not parse.
        source: Option<url::ParseError>,
    },
    /// A listed user's name is not accepted by the form.
    #[error("user name is empty, too long or has control characters or spaces around it")]
    UserName,
}

fn check_client(client: &Client) -> Result<(), BuildError> {
    if client.id.is_empty() {
        return Err(BuildError::ClientId);
    }
    let redirects = client.redirect_uris.iter().map(|uri| ("redirect_uri", uri));
    let post_logout =
        client.post_logout_redirect_uris.iter().map(|uri| ("post_logout_redirect_uri", uri));
    redirects.chain(post_logout).try_for_each(|(field, uri)| {
        redirect_uri::check(uri).map_err(|source| BuildError::RedirectUri {
            client: client.id.clone(),
            field,
            source,
        })
    })
}

fn check_user(user: &User) -> Result<(), BuildError> {
    if accepted_name(&user.subject) == Some(user.subject.as_str()) {
        Ok(())
    } else {
        Err(BuildError::UserName)
    }
}
