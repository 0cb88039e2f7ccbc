//! Helpers of the cases.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Barrier;

use crate::clock::Timestamp;
use crate::policy::{AdmittedSession, Limit, OnFull, PolicyError, SessionPolicy, Verdict};
use crate::session::{EndReason, SecretDigest, Session, SessionId};
use crate::store::{
    Admission, EndTarget, EndedSession, PendingRevocation, SessionStore, StoreError, StoredSession,
    TokenWrite,
};
use crate::testing::sample::{self, Login};

/// The outcome of a case: success, or the violation of a law.
pub(super) type Outcome<T = ()> = Result<T, Violation>;

/// A violation of a law, or a call that failed.
#[derive(Debug)]
pub struct Violation {
    message: String,
    location: &'static Location<'static>,
}

impl Violation {
    #[track_caller]
    pub(super) fn new(message: String) -> Self {
        Self { message, location: Location::caller() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.location)
    }
}

impl Error for Violation {}

impl From<StoreError> for Violation {
    #[track_caller]
    fn from(error: StoreError) -> Self {
        let mut message = format!("a call failed: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::new(message)
    }
}

impl From<PolicyError> for Violation {
    #[track_caller]
    fn from(error: PolicyError) -> Self {
        Self::new(error.to_string())
    }
}

#[track_caller]
pub(super) fn ensure(holds: bool, law: &str) -> Outcome {
    if holds { Ok(()) } else { Err(Violation::new(format!("violated: {law}"))) }
}

#[track_caller]
pub(super) fn ensure_eq<T: PartialEq + fmt::Debug>(found: T, expected: T, law: &str) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(Violation::new(format!("violated: {law}\n  found    {found:?}\n  expected {expected:?}")))
}

/// Handles to one store.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    first: Arc<dyn SessionStore>,
    all: Vec<Arc<dyn SessionStore>>,
}

impl Nodes {
    pub(super) fn new(all: Vec<Arc<dyn SessionStore>>) -> Outcome<Self> {
        let first = all.first().cloned();
        let first = first.ok_or_else(|| Violation::new("there is no node".to_owned()))?;
        Ok(Self { first, all })
    }

    pub(super) fn first(&self) -> &dyn SessionStore {
        &*self.first
    }

    /// Returns another node than the first, if there is one.
    pub(super) fn other(&self) -> &dyn SessionStore {
        self.all.last().map_or(self.first(), |node| &**node)
    }

    fn nth(&self, index: usize) -> Arc<dyn SessionStore> {
        let node = self.all.get(index % self.all.len());
        Arc::clone(node.unwrap_or(&self.first))
    }

    /// Runs one task per input, all at the same time and over all nodes in turn; returns the results
    /// in the order of the inputs.
    pub(super) async fn at_once<I, T, F, Fut>(&self, inputs: Vec<I>, task: F) -> Outcome<Vec<T>>
    where
        I: Send + 'static,
        T: Send + 'static,
        F: Fn(Arc<dyn SessionStore>, I) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Outcome<T>> + Send,
    {
        let start = Arc::new(Barrier::new(inputs.len()));
        let tasks = inputs.into_iter().enumerate().map(|(index, input)| {
            let (node, task, start) = (self.nth(index), task.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                task(node, input).await
            })
        });
        let mut results = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            let ended = task.await;
            results.push(ended.map_err(|error| Violation::new(format!("a task: {error}")))??);
        }
        Ok(results)
    }
}

/// How often a race of a few tasks is run: tasks that happen to run one after the other prove
/// nothing.
pub(super) const ROUNDS: usize = 8;

/// Returns a time so many seconds after that of the samples.
pub(super) fn at(seconds: u64) -> Timestamp {
    sample::now() + Duration::from_secs(seconds)
}

/// Returns a time after everything that a case does.
pub(super) fn later() -> Timestamp {
    at(1_000_000)
}

pub(super) fn limited(limit: Limit) -> Outcome<SessionPolicy> {
    let policy = SessionPolicy::builder().without_idle_timeout().without_absolute_timeout();
    let policy = match limit {
        Limit::AtMost { max, on_full } => policy.max_sessions(max.get()).on_full(on_full),
        Limit::Replace => policy.replace(),
        Limit::Unlimited => policy.unlimited(),
    };
    Ok(policy.build()?)
}

pub(super) fn unlimited() -> Outcome<SessionPolicy> {
    limited(Limit::Unlimited)
}

pub(super) fn capped(max: u32, on_full: OnFull) -> Outcome<SessionPolicy> {
    let max = NonZeroU32::new(max).unwrap_or(NonZeroU32::MIN);
    limited(Limit::AtMost { max, on_full })
}

/// The last question to the policy, and its verdict.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) present: Vec<AdmittedSession>,
    pub(super) verdict: Option<Verdict>,
}

/// Admits a login as the manager does; also returns what the policy was asked.
pub(super) async fn admit_asked(
    store: &dyn SessionStore,
    login: &Login,
    policy: &SessionPolicy,
) -> Outcome<(Admission, Asked)> {
    let asked = Mutex::new(Asked::default());
    let decide = |present: &[AdmittedSession]| {
        let verdict = policy.admit(&login.session.provider, present, login.session.created_at);
        // A repeated transaction asks again; its last question counts.
        let answer = Asked { present: present.to_vec(), verdict: Some(verdict.clone()) };
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        verdict
    };
    let admission = store.admit(login.new_session(), &decide).await?;
    Ok((admission, asked.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// Admits a login as the manager does.
pub(super) async fn admit(
    store: &dyn SessionStore,
    login: &Login,
    policy: &SessionPolicy,
) -> Outcome<Admission> {
    admit_asked(store, login, policy).await.map(|(admission, _)| admission)
}

/// Admits a login that must not be refused; returns the sessions that ended for it.
pub(super) async fn sign_in(
    store: &dyn SessionStore,
    login: &Login,
    policy: &SessionPolicy,
) -> Outcome<Vec<EndedSession>> {
    match admit(store, login, policy).await? {
        Admission::Admitted { ended } => Ok(ended),
        Admission::Refused { live } => {
            Err(Violation::new(format!("a login was refused because of {live} live sessions")))
        }
    }
}

/// Admits several logins, one after the other, without a cap.
pub(super) async fn sign_in_all(store: &dyn SessionStore, logins: &[Login]) -> Outcome {
    let policy = unlimited()?;
    for login in logins {
        sign_in(store, login, &policy).await?;
    }
    Ok(())
}

/// Admits one login, and returns its row.
pub(super) async fn signed_in(store: &dyn SessionStore, login: &Login) -> Outcome<StoredSession> {
    sign_in(store, login, &unlimited()?).await?;
    stored(store, login.id()).await
}

/// Returns the row of a session that must exist.
pub(super) async fn stored(store: &dyn SessionStore, id: SessionId) -> Outcome<StoredSession> {
    let found = store.find(id).await?;
    found.ok_or_else(|| Violation::new(format!("there is no session {id}")))
}

/// Returns the live sessions in the partition of this login, as a policy that refuses is told.
pub(super) async fn live_sessions(
    store: &dyn SessionStore,
    like: &Login,
) -> Outcome<Vec<AdmittedSession>> {
    let seen = Mutex::new(Vec::new());
    let decide = |present: &[AdmittedSession]| {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = present.to_vec();
        Verdict::Refuse { live: present.len() }
    };
    let probe = Login { secret: Some(sample::secret()), supersedes: None, ..like.clone() };
    let mut probe = probe.new_session();
    probe.session.id = SessionId::generate(sample::now());
    store.admit(probe, &decide).await?;
    Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Ends one session, which must be live.
pub(super) async fn end_one(
    store: &dyn SessionStore,
    id: SessionId,
    reason: EndReason,
    now: Timestamp,
) -> Outcome<EndedSession> {
    let ended = store.end(EndTarget::One { id, user: None }, reason.into(), now).await?;
    let one = ended.into_iter().next();
    one.ok_or_else(|| Violation::new(format!("session {id} was not live")))
}

/// Creates new tokens for a session as it was read.
pub(super) fn token_write(read: &Session, now: Timestamp) -> TokenWrite {
    let tokens = sample::sealed(&sample::tokens(), read);
    TokenWrite { id: read.id, revision: read.revision, tokens, now, releases: None }
}

/// Claims everything in the outbox.
pub(super) async fn outbox(store: &dyn SessionStore) -> Outcome<Vec<PendingRevocation>> {
    Ok(store.claim_revocations(later(), later(), 10_000).await?)
}

pub(super) fn ids(sessions: &[Session]) -> Vec<SessionId> {
    sessions.iter().map(|session| session.id).collect()
}

pub(super) fn sorted(mut ids: Vec<SessionId>) -> Vec<SessionId> {
    ids.sort_unstable();
    ids
}

pub(super) fn ended_ids(ended: &[EndedSession]) -> Vec<SessionId> {
    sorted(ended.iter().map(|ended| ended.id).collect())
}

/// Returns the digest of a login's cookie, which it must have.
pub(super) fn digest(login: &Login) -> Outcome<SecretDigest> {
    login.digest().ok_or_else(|| Violation::new("the sample has no cookie".to_owned()))
}
