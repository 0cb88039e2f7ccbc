//! The two halves of a connection: what the services are built on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, Uri};
use serde::{Deserialize, Serialize};
use session_core::ProviderName;
use session_core::manager::SignIn;
use session_core::middleware::SessionManagerExt as _;
use session_core::provider::openid::Callback;
use session_core::provider::tool_server::{PendingConnection, ToolServer};
use session_core::session::ProviderIdentity;

use super::failure::{ConnectFailure, ConnectFailureKind};
use crate::current::CurrentSession;
use crate::redirect::RedirectToLogin;
use crate::sign_in::{Begun, OpenIdSignIn, PendingCookies, PendingRecord, device};

/// The beginning of the cookies' names.
const PREFIX: &str = "connect-";

/// Ready-made connections to tool servers; see the [module's documentation](super). Cheap to clone.
#[derive(Clone)]
pub struct ToolConnections {
    parts: Arc<Parts>,
    cookies: PendingCookies<ConnectionRecord>,
}

/// The settings.
pub(super) struct Parts {
    pub(super) sign_in: OpenIdSignIn,
    pub(super) servers: Vec<NamedServer>,
    pub(super) failure_response: Option<Box<AnswerConnectFailure>>,
}

pub(super) type AnswerConnectFailure =
    dyn Fn(&ConnectFailure, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static;

/// A tool server that users may connect.
#[derive(Debug)]
pub(super) struct NamedServer {
    pub(super) name: ProviderName,
    pub(super) server: Arc<ToolServer>,
}

/// A connection that has begun in this browser.
#[derive(Serialize, Deserialize)]
struct ConnectionRecord {
    pending: PendingConnection,
    server: String,
    /// The user who has begun it, and for whom alone it is completed.
    user: String,
    return_to: String,
    started_at: i64,
}

impl PendingRecord for ConnectionRecord {
    fn state(&self) -> &str {
        self.pending.state()
    }

    fn started_at(&self) -> i64 {
        self.started_at
    }
}

impl ToolConnections {
    pub(super) fn of(parts: Parts) -> Self {
        let flow = &parts.sign_in.flow;
        let is_secure = flow.public_url.is_secure();
        let cookies = PendingCookies::new(flow.manager.clone(), is_secure, PREFIX);
        Self { parts: Arc::new(parts), cookies }
    }

    /// Begins a connection of this session's user: keeps its record in a cookie, and returns the
    /// address at the authorization server.
    pub(super) async fn begin(
        &self,
        current: &CurrentSession,
        server: &str,
        return_to: Option<String>,
        headers: &HeaderMap,
    ) -> Result<Begun, ConnectFailure> {
        let named = self.named(server)?;
        self.check_host(&named.server, headers)?;
        let request = named.server.connection_request().await?;
        let flow = &self.parts.sign_in.flow;
        let return_to = return_to.filter(|path| RedirectToLogin::is_local(path));
        let record = ConnectionRecord {
            pending: request.pending,
            server: named.name.as_str().to_owned(),
            user: current.user().as_str().to_owned(),
            return_to: return_to.unwrap_or_else(|| flow.home.clone()),
            started_at: flow.manager.now().as_millis(),
        };
        let cookies = self.cookies.keep(&record, headers);
        let cookies = cookies.ok_or(ConnectFailure::new(ConnectFailureKind::Misconfigured))?;
        Ok(Begun { location: request.url, cookies })
    }

    /// Completes the connection that the query of the callback is about, and returns the path to return
    /// to. Also returns the `Set-Cookie` that removes the record, whatever the outcome.
    pub(super) async fn complete(
        &self,
        current: Option<&CurrentSession>,
        at: &Uri,
        headers: &HeaderMap,
    ) -> (Result<String, ConnectFailure>, Option<HeaderValue>) {
        let callback = Callback::from_query(at.query().unwrap_or_default());
        let state = callback.state.clone().unwrap_or_default();
        match self.cookies.take(&state, headers) {
            None => (Err(ConnectFailure::new(ConnectFailureKind::Unknown)), None),
            Some((record, removal)) => {
                let completed = match self.is_callback_of(&record, at) {
                    true => self.complete_record(current, record, callback, headers).await,
                    false => Err(ConnectFailure::new(ConnectFailureKind::Unknown)),
                };
                (completed, Some(removal))
            }
        }
    }

    /// Returns whether the browser came back where this record's authorization server sends it. A router
    /// in between may have taken the beginning of the path.
    fn is_callback_of(&self, record: &ConnectionRecord, at: &Uri) -> bool {
        let named = self.named(&record.server);
        let expected = named.map(|named| named.server.redirect_uri().parse::<Uri>());
        expected.is_ok_and(|uri| uri.is_ok_and(|uri| uri.path().ends_with(at.path())))
    }

    async fn complete_record(
        &self,
        current: Option<&CurrentSession>,
        record: ConnectionRecord,
        callback: Callback,
        headers: &HeaderMap,
    ) -> Result<String, ConnectFailure> {
        let not_signed_in = ConnectFailure::new(ConnectFailureKind::NotSignedIn);
        let user = current.ok_or(not_signed_in)?.user();
        if user.as_str() != record.user {
            return Err(ConnectFailure::new(ConnectFailureKind::OtherUser));
        }
        let named = self.named(&record.server)?;
        let (server, name) = (Arc::clone(&named.server), named.name.clone());
        let (user, device) = (user.clone(), device(headers));
        let manager = self.parts.sign_in.flow.manager.clone();
        // The user has consented: a browser that hangs up now leaves no tokens without a connection.
        let work = async move {
            let tokens = server.complete_connection(record.pending, callback).await?;
            let issuer = Some(server.issuer().to_owned());
            let sign_in = SignIn::new(&user, &name, tokens)
                .identity(ProviderIdentity { issuer, ..ProviderIdentity::default() })
                .device(device);
            let connected = manager.connect_with(sign_in).await?;
            tracing::info!(session = %connected.session.id, server = %name, "a tool server was connected");
            Ok(record.return_to)
        };
        self.parts.sign_in.flow.manager.run_to_end(work).await?
    }

    /// Builds the answer to a failed connection.
    pub(super) fn failed(&self, failure: &ConnectFailure, headers: &HeaderMap) -> Response<Bytes> {
        failure.log();
        let is_in_development = !self.parts.sign_in.flow.public_url.is_secure();
        match &self.parts.failure_response {
            Some(configured) => configured(failure, headers),
            None if is_in_development => failure.explained_response(headers),
            None => failure.response(headers),
        }
    }

    fn named(&self, name: &str) -> Result<&NamedServer, ConnectFailure> {
        let mut servers = self.parts.servers.iter();
        let named = servers.find(|one| one.name.as_str() == name);
        named.ok_or(ConnectFailure::new(ConnectFailureKind::UnknownServer))
    }

    /// Refuses to begin, in development, what the browser could not complete: it is open under another
    /// name of this machine than the one that it would return to.
    fn check_host(&self, server: &ToolServer, headers: &HeaderMap) -> Result<(), ConnectFailure> {
        let redirect_uri = server.redirect_uri();
        match address_of_callback(&self.parts.sign_in, server, headers) == redirect_uri {
            true => Ok(()),
            false => Err(ConnectFailure::new(ConnectFailureKind::Misconfigured).caused_by(format!(
                "the site is open under another name than that of the redirect URI: {redirect_uri}"
            ))),
        }
    }
}

/// Returns the address of the site at the path of a tool server's redirect URI.
pub(super) fn address_of_callback(
    sign_in: &OpenIdSignIn,
    server: &ToolServer,
    headers: &HeaderMap,
) -> String {
    let uri = server.redirect_uri().parse::<Uri>();
    sign_in.flow.public_url.of(uri.as_ref().map_or("", Uri::path), headers)
}

impl fmt::Debug for ToolConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = &self.parts.servers;
        f.debug_struct("ToolConnections").field("servers", servers).finish_non_exhaustive()
    }
}
