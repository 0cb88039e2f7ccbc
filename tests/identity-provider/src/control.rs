//! The handle with which a test controls the provider.

use std::sync::Arc;
use std::time::Duration;

use crate::fault::{Endpoint, Fault, ScriptedResponse};
use crate::provider::Shared;
use crate::renewal_record::RenewalRecord;
use crate::settings::Settings;
use crate::stats::Stats;

/// A handle that controls and reads a running provider. Clones refer to the same provider.
#[derive(Clone, Debug)]
pub struct Control(pub(crate) Arc<Shared>);

/// A login whose tokens are valid: a family of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The client that it was issued to.
    pub client_id: String,
    /// The `sid` of its ID token.
    pub sid: String,
    /// The user's `sub`.
    pub subject: String,
}

impl Control {
    /// Changes the settings. Issued tokens are not affected.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        self.0.configure(change);
    }

    /// Returns a copy of the settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.settings()
    }

    /// Sets how long access tokens issued from now on are valid.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        self.configure(|settings| settings.access_token_lifetime = lifetime);
    }

    /// Sets how long the token endpoint waits before it processes a request.
    pub fn set_latency(&self, latency: Duration) {
        self.configure(|settings| settings.token_latency = latency);
    }

    /// Queues a fault for the next token request, after earlier ones.
    pub fn push_fault(&self, fault: Fault) {
        self.push_fault_at(Endpoint::Token, fault);
    }

    /// Queues a fault for the next request at an endpoint, after earlier ones.
    pub fn push_fault_at(&self, endpoint: Endpoint, fault: Fault) {
        self.0.faults().push(endpoint, fault);
    }

    /// Sends the scripted response to every request at an endpoint, until `None` is set. Queued faults
    /// come first.
    pub fn set_outage(&self, endpoint: Endpoint, response: Option<ScriptedResponse>) {
        self.0.faults().set_outage(endpoint, response);
    }

    /// Removes all queued faults and outages.
    pub fn clear_faults(&self) {
        self.0.faults().clear();
    }

    /// Returns the number of queued faults.
    #[must_use]
    pub fn pending_faults(&self) -> usize {
        self.0.faults().len()
    }

    /// Returns the counters, as at `/stats`.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.ledger().stats()
    }

    /// Takes the records of renewals since the last call, in order, if
    /// [`Settings::record_renewals`] is on.
    #[must_use]
    pub fn take_renewals(&self) -> Vec<RenewalRecord> {
        self.0.ledger().take_renewals()
    }

    /// Returns the logins whose tokens are valid, in no particular order.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let ledger = self.0.ledger();
        let families = ledger.families().map(|login| Family {
            client_id: login.client_id.clone(),
            sid: login.sid.clone(),
            subject: login.user.subject.clone(),
        });
        families.collect()
    }

    /// Ends one login with all its tokens, as an administrator would. Returns false if there was none.
    #[must_use = "false means that nothing was ended"]
    pub fn revoke_family(&self, sid: &str) -> bool {
        self.0.ledger().end_family(sid)
    }

    /// Invalidates the access tokens of one login; its refresh token stays valid. Returns false if
    /// there were none.
    #[must_use = "false means that nothing was revoked"]
    pub fn revoke_access_tokens(&self, sid: &str) -> bool {
        self.0.ledger().revoke_access_tokens(sid)
    }
}
