//! A pending connection: the address for the browser, and the record to keep.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::provider::openid::pending::exposed;

/// The address for the browser, and the record to keep until it returns.
#[must_use]
pub struct ConnectionRequest {
    /// The address at the authorization server, for a redirect.
    pub url: String,
    /// The record of this one connection.
    pub pending: PendingConnection,
}

impl fmt::Debug for ConnectionRequest {
    /// Omits the address: it contains the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ConnectionRequest");
        fields.field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// The record of one pending connection: the issuer that was asked, the resource, the state and the
/// PKCE verifier, bound to the browser that holds it (R9). It is valid for ten minutes, and used once.
///
/// # Security
///
/// Its serialised form contains secrets, like that of a
/// [`PendingSignIn`](crate::provider::openid::PendingSignIn). Keep it with the user who has begun the
/// connection, and complete it for that user alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingConnection {
    pub(super) issuer: String,
    pub(super) resource: String,
    pub(super) redirect_uri: String,
    /// Epoch milliseconds.
    pub(super) started_at: i64,
    #[serde(serialize_with = "exposed")]
    pub(super) state: SecretString,
    #[serde(serialize_with = "exposed")]
    pub(super) verifier: SecretString,
}

impl PendingConnection {
    /// Returns the `state`, which the callback repeats and by which this record is found.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.expose_secret()
    }
}

impl fmt::Debug for PendingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingConnection")
            .field("issuer", &self.issuer)
            .field("resource", &self.resource)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}
