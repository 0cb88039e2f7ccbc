//! Renews connections of tool clients that are not used, before their providers forget them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use crate::clock::Timestamp;
use crate::error_chain::ErrorChain;
use crate::manager::error::ManagerError;
use crate::manager::manager::Inner;
use crate::manager::renewal::{RenewalReason, begin};
use crate::manager::row;
use crate::policy::{ProviderSelection, keep_alive};
use crate::session::{ProviderName, Session};
use crate::store::{TimeoutBasis, TimeoutQuery};

/// How many connections one page reads.
const BATCH: u64 = 500;

/// Which part of a provider's concurrent renewals is left to connections that are not used.
const SHARE: usize = 4;

/// Renews the connections that are due, and returns how many were.
pub(super) async fn renew_connections(inner: &Arc<Inner>) -> Result<usize, ManagerError> {
    let mut count = 0;
    for (providers, interval) in inner.policy.keep_alive_rules() {
        let until = keep_alive::due_since(interval, inner.now());
        count += renew_listed(inner, providers, until).await?;
    }
    Ok(count)
}

async fn renew_listed(
    inner: &Arc<Inner>,
    providers: ProviderSelection,
    until: Timestamp,
) -> Result<usize, ManagerError> {
    let query = TimeoutQuery::new(TimeoutBasis::ConnectionRenewed, until, BATCH).of(providers);
    let (mut after, mut count) = (None, 0);
    loop {
        let query = query.clone().after(after);
        let mut page = inner.bounded(inner.store.list_timeout_candidates(query.clone())).await?;
        let is_full = u64::try_from(page.len()).is_ok_and(|length| length >= BATCH);
        after = page.last().and_then(|last| Some((query.by.time_of(last)?, last.id)));
        page.retain(|session| row::is_kept_alive_now(inner, session));
        count += renew_page(inner, page).await;
        if !is_full || inner.tasks.is_closing() {
            return Ok(count);
        }
    }
}

/// Renews the connections of a page: several of a provider at a time, and all providers side by side.
async fn renew_page(inner: &Arc<Inner>, page: Vec<Session>) -> usize {
    let mut by_provider: HashMap<ProviderName, Vec<Session>> = HashMap::new();
    for session in page {
        by_provider.entry(session.provider.clone()).or_default().push(session);
    }
    let of_providers = by_provider.into_values().map(|sessions| renew_of_provider(inner, sessions));
    join_all(of_providers).await.into_iter().sum()
}

async fn renew_of_provider(inner: &Arc<Inner>, sessions: Vec<Session>) -> usize {
    let concurrent = (inner.policy.renewal().max_concurrent.get() / SHARE).max(1);
    let waiting = Mutex::new(sessions.into_iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || async {
        let mut count = 0;
        while let Some(session) = next() {
            count += usize::from(renew(inner, &session).await);
        }
        count
    };
    join_all((0..concurrent).map(|_| worker())).await.into_iter().sum()
}

/// Renews one connection, unless another node has done so since it was listed; what fails is due in
/// the next round still.
async fn renew(inner: &Arc<Inner>, session: &Session) -> bool {
    let renewal = match begin(inner, session, RenewalReason::KeepAlive) {
        Ok(renewal) => renewal.outcome().await,
        Err(error) => Err(error),
    };
    if let Err(error) = &renewal {
        tracing::debug!(session = %session.id, error = %ErrorChain(error), "a connection was not renewed");
    }
    renewal.is_ok()
}
