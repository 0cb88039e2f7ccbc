//! Signals of a provider that sessions are over, beside back-channel logout (feature
//! `shared-signals`).
//!
//! [`OpenIdProvider::verify_security_event`](super::OpenIdProvider::verify_security_event) verifies a
//! security event token (RFC 8417) of the Shared Signals Framework 1.0: CAEP's `session-revoked`, and
//! the event by which a transmitter verifies its stream.
//! [`OpenIdProvider::verify_revocation_caller`](super::OpenIdProvider::verify_revocation_caller)
//! verifies who asks for a Global Token Revocation
//! (draft-parecki-oauth-global-token-revocation-06, section 3.5). Both lead to
//! [`SessionManager::end_by_provider`](crate::SessionManager::end_by_provider); `session-tower` has the
//! services, with the feature of the same name.

mod caller;
mod error;
mod event;
mod subject;

pub use caller::RevocationCaller;
pub use error::{SignalError, SignalErrorKind};
pub use event::{SecurityEvent, SecurityEventKind, SignalTransmitter};
pub use subject::{SignalSubject, SubjectIdentifier};
