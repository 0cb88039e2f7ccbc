//! The identity provider of tests that sign in over HTTP.

use std::sync::OnceLock;

use identity_provider::{Client, IdentityProvider, RunningProvider, SigningKey};
use tokio::net::TcpListener;

/// Returns the signing key of all providers of this process: making one takes a moment.
pub fn signing_key() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate().unwrap()).clone()
}

/// Starts a provider that signs in the user of a `login_hint`, for the client `app` with the secret
/// `app-secret` at this address.
pub async fn provider(address: &str) -> RunningProvider {
    let app = Client::new("app").secret("app-secret").redirect_uri(format!("{address}/callback"));
    let app = app.post_logout_redirect_uri(format!("{address}/"));
    let builder = IdentityProvider::builder().key(signing_key()).client(app).auto_login(true);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    builder.build().unwrap().spawn(listener).unwrap()
}
