//! Sessions of many devices for one user, with the OAuth 2.0 and OpenID Connect tokens of each
//! sign-in kept safe on the server.

pub mod clock;
pub mod event;
pub mod manager;
pub mod policy;
pub mod provider;
pub mod session;
pub mod store;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod token;

pub use clock::{Clock, SystemClock, Timestamp};
pub use manager::SessionManager;
pub use policy::{Limit, OnFull, SessionPolicy};
pub use provider::Provider;
pub use session::{
    DeviceLabel, EndReason, Ended, InvalidName, NoRandomness, Origin, ProviderIdentity,
    ProviderName, SecretDigest, Session, SessionId, SessionSecret, Subject, UserId,
};
pub use store::SessionStore;
pub use token::{Keyring, KeyringError, TokenResponse, TokenSet, Unreadable};
