//! The sign-in: session-tower's.

use std::net::SocketAddr;
use std::sync::Arc;

use session_core::SessionManager;
use session_tower::sign_in::OpenIdSignIn;

use crate::provider_client::ProviderClient;
use crate::startup_error::StartupError;

/// Builds the sign-in. The user id is the provider's `sub`, the only name that is never reassigned.
///
/// A sign-out leaves the user signed in at the provider: the next device is a click away.
pub(crate) fn sign_in(
    manager: &SessionManager,
    client: &ProviderClient,
    address: SocketAddr,
) -> Result<OpenIdSignIn, StartupError> {
    OpenIdSignIn::builder(manager.clone(), format!("http://{address}"))
        .dev(address)
        .provider(client.name.clone(), Arc::clone(&client.openid))
        .keep_signed_in_at_provider()
        .build()
        .map_err(|error| StartupError::caused_by("cannot prepare sign-ins", error))
}
