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

/// An OpenID Connect provider, ready to be served. Clones share all that it knows, so that it can be
/// stopped and served again at another time or place.
#[derive(Clone, Debug)]
pub struct IdentityProvider(Arc<Shared>);

impl IdentityProvider {
    /// A provider that knows the client [`Client::devices`] and nobody by name.
    pub fn builder() -> IdentityProviderBuilder {
        IdentityProviderBuilder {
            clients: vec![Client::devices()],
            clock: Clock::system(),
            key: None,
            settings: Settings::default(),
            users: Vec::new(),
        }
    }

    /// The handle that changes and reads the provider while it runs.
    #[must_use]
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.0))
    }

    /// The endpoints for a server of one's own, which must answer at `issuer`.
    ///
    /// Only [`serve`](Self::serve) and [`spawn`](Self::spawn) can close a connection without an answer;
    /// elsewhere those faults are a 500 without a body.
    pub fn router(&self, issuer: IssuerUrl) -> Router {
        router::router(Provider::new(issuer, Arc::clone(&self.0)))
    }

    /// Serves on the listener until the future is dropped. The issuer is `http://` and the listener's
    /// address.
    ///
    /// # Errors
    ///
    /// When the listener does not tell its address.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let (_, issuer) = server::issuer_of(&listener)?;
        server::accept(listener, self.router(issuer)).await;
        Ok(())
    }

    /// Serves on the listener in a task of its own, until the answer is dropped.
    ///
    /// # Errors
    ///
    /// When the listener does not tell its address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
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
    /// Registers a client; of two with one id the later is taken, also in place of `devices`.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Lists a person. Others sign in too.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Sets how long access tokens are valid. Default: 5 minutes.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_token_lifetime = lifetime;
        self
    }

    /// Signs in whoever `login_hint` names, without a form. Default: off.
    pub fn auto_login(mut self, is_on: bool) -> Self {
        self.settings.auto_login = is_on;
        self
    }

    /// Changes any of the settings that can also be changed later.
    pub fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Takes the time from `now`, in epoch milliseconds. Default: the system's clock.
    pub fn clock(mut self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Signs with a key that is already there. Default: a new one, which takes a moment.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Checks the settings and makes the provider.
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming what is wrong.
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
    /// A client's address is not an absolute URL, or has a fragment.
    #[error("{field} of client {client:?} is not an absolute url without a fragment")]
    RedirectUri {
        /// The client's id.
        client: String,
        /// `redirect_uri` or `post_logout_redirect_uri`.
        field: &'static str,
        /// What the parser said, if it did not parse.
        source: Option<url::ParseError>,
    },
    /// A listed person's name could not be typed on the form.
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
