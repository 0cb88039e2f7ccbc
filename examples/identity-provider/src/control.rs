use std::sync::Arc;
use std::time::Duration;

use crate::fault::{Endpoint, Fault, ScriptedAnswer};
use crate::provider::Shared;
use crate::settings::Settings;
use crate::stats::Stats;

/// A hand on the provider while it runs. Clones hold the same provider.
#[derive(Clone, Debug)]
pub struct Control(pub(crate) Arc<Shared>);

/// A login whose tokens are good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The client that it was for.
    pub client_id: String,
    /// The `sid` of its ID token.
    pub sid: String,
    /// Who signed in.
    pub subject: String,
}

impl Control {
    /// Changes the settings; what was issued stays as it is.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        self.0.configure(change);
    }

    /// A copy of the settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.settings()
    }

    /// Sets how long access tokens issued from now on are valid.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        self.configure(|settings| settings.access_token_lifetime = lifetime);
    }

    /// Sets how long the token endpoint waits before it does its work.
    pub fn set_latency(&self, latency: Duration) {
        self.configure(|settings| settings.token_latency = latency);
    }

    /// Lets the fault strike the next token request, after those pushed before it.
    pub fn push_fault(&self, fault: Fault) {
        self.push_fault_at(Endpoint::Token, fault);
    }

    /// Lets the fault strike the next request at that endpoint, after those pushed before it.
    pub fn push_fault_at(&self, endpoint: Endpoint, fault: Fault) {
        self.0.faults().push(endpoint, fault);
    }

    /// Answers every request at that endpoint with the scripted answer, until `None` is set. Single
    /// faults that are still queued come first.
    pub fn set_outage(&self, endpoint: Endpoint, answer: Option<ScriptedAnswer>) {
        self.0.faults().set_outage(endpoint, answer);
    }

    /// Forgets all queued faults and outages.
    pub fn clear_faults(&self) {
        self.0.faults().clear();
    }

    /// How many queued faults have not struck yet.
    #[must_use]
    pub fn pending_faults(&self) -> usize {
        self.0.faults().len()
    }

    /// The counters, as at `/stats`.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.ledger().stats()
    }

    /// The logins whose tokens are good, in no particular order.
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

    /// Ends one login with all its tokens, as an administrator would. False where it was over.
    #[must_use = "false says that nothing was ended"]
    pub fn revoke_family(&self, sid: &str) -> bool {
        self.0.ledger().end_family(sid)
    }

    /// Makes one login's access tokens invalid before their time; its refresh token stays good. False
    /// where there was none.
    #[must_use = "false says that nothing was revoked"]
    pub fn revoke_access_tokens(&self, sid: &str) -> bool {
        self.0.ledger().revoke_access_tokens(sid)
    }
}
