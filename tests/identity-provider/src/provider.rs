//! The state that all endpoints share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openidconnect::IssuerUrl;

use crate::client::Client;
use crate::clock::Clock;
use crate::fault_injection::FaultQueue;
use crate::key::SigningKey;
use crate::ledger::Ledger;
use crate::settings::Settings;
use crate::user::User;

/// The state that the endpoints and the control handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clients: HashMap<String, Client>,
    pub(crate) clock: Clock,
    pub(crate) key: SigningKey,
    pub(crate) users: BTreeMap<String, User>,
    faults: Mutex<FaultQueue>,
    ledger: Mutex<Ledger>,
    settings: Mutex<Settings>,
}

impl Shared {
    pub(crate) fn new(
        clients: HashMap<String, Client>,
        users: BTreeMap<String, User>,
        key: SigningKey,
        clock: Clock,
        settings: Settings,
    ) -> Self {
        Self {
            clients,
            clock,
            key,
            users,
            faults: Mutex::default(),
            ledger: Mutex::default(),
            settings: Mutex::new(settings),
        }
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, FaultQueue> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn user(&self, subject: &str) -> User {
        self.users.get(subject).cloned().unwrap_or_else(|| User::new(subject))
    }
}

/// The provider at one address: the state of the router.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    issuer: Arc<IssuerUrl>,
    shared: Arc<Shared>,
}

impl Provider {
    pub(crate) fn new(issuer: IssuerUrl, shared: Arc<Shared>) -> Self {
        Self { issuer: Arc::new(issuer), shared }
    }

    pub(crate) fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }
}

impl std::ops::Deref for Provider {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}
