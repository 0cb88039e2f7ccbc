//! A store in memory that does one thing wrong.

mod methods;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use session_core::policy::{AdmittedSession, Eviction, Verdict};
use session_core::session::EndCause;
use session_core::store::memory::MemoryStore;
use session_core::store::{
    Admission, Decide, EndTarget, EndedSession, NewSession, RevocationId, RevocationOutbox,
    SessionLifecycle, SessionLookup, SessionUpdates, StoreError, StoredSession,
};
use session_core::token::Sealed;
use session_core::{EndReason, ProviderName, Session, SessionId, Timestamp, UserId};

/// What the store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    AdmitsInTwoSteps,
    CarriesOutRefusals,
    ClaimsHeldLeases,
    ClaimsInTwoSteps,
    ClaimsRevocationsForAll,
    ConfirmsWithTheOldSecret,
    CountsAllPartitionsTogether,
    CutsLargeValues,
    DropsRefreshTokens,
    EndsAllOfAnIssuer,
    EndsChangedOnes,
    EndsForAnyUser,
    EndsLaterSessions,
    EndsOneProviderAsAll,
    EndsSiblings,
    EndsUsedOnes,
    EvictsAsTimedOut,
    EvictsOneOnly,
    EvictsTheAdmitted,
    FoldsCase,
    ForgetsClaimedMigrated,
    ForgetsOtherKeys,
    ForgetsActors,
    ForgetsReasons,
    ForgetsTheBrowser,
    HoldsAllImported,
    KnowsCurrentCookiesOnly,
    OffersConnections,
    OffersClaimedSessions,
    ListsOldestFirst,
    MixesProviders,
    OffersOldestFirst,
    OrdersByClock,
    PurgesAll,
    PurgesTooEarly,
    EnqueuesTwice,
    RaisesForAnyOwner,
    ReadsFromACache,
    ReleasesForAnyOwner,
    ResealsAllOrNone,
    ResealsAnyRevision,
    ResealsAsRenewal,
    ReversesEvents,
    RotatesAnySecret,
    RoundsToSeconds,
    ClaimsRoundsForAll,
    ListsAllProviders,
    PagesChangesWithoutCursor,
    PagesWithoutCursor,
    SupersedesAfterTheCount,
    SupersedesByAnyPreviousCookie,
    SupersedesOnRefusal,
    TakesOverMovingLeases,
    HidesRenewals,
    HidesTheLastUse,
    TouchesSiblings,
    TrimsNames,
    WritesAnyRevision,
    WritesInTwoSteps,
    WritesWithoutRelease,
    StepsUpAnyRevision,
    KeepsTheAuthentication,
    ListsAllAsConnections,
    ForgetsTheReplacedToken,
}

/// A store in memory that does one thing wrong.
#[derive(Debug, Clone)]
pub(crate) struct Flawed {
    inner: MemoryStore,
    flaw: Flaw,
    /// What this node has read before.
    cache: Arc<Mutex<HashMap<SessionId, Option<StoredSession>>>>,
}

impl Flawed {
    pub(crate) fn new(inner: MemoryStore, flaw: Flaw) -> Self {
        Self { inner, flaw, cache: Arc::default() }
    }

    /// Returns another node of the same store.
    pub(crate) fn node(&self) -> Self {
        Self::new(self.inner.clone(), self.flaw)
    }

    /// Lets other tasks run in between.
    async fn pause(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    /// Returns a row as it is read.
    fn read(&self, mut row: StoredSession) -> StoredSession {
        if self.flaw == Flaw::RoundsToSeconds {
            let rounded = row.session.last_seen_at.as_millis() / 1_000 * 1_000;
            row.session.last_seen_at = Timestamp::from_millis(rounded);
        }
        row
    }

    fn folded_user(&self, user: &UserId) -> UserId {
        UserId::new(self.folded(user.as_str())).unwrap()
    }

    /// Returns a name as a lax collation compares it.
    fn folded(&self, name: &str) -> String {
        match self.flaw {
            Flaw::FoldsCase => name.to_lowercase(),
            Flaw::TrimsNames if !name.trim().is_empty() => name.trim_end().to_owned(),
            _ => name.to_owned(),
        }
    }

    /// Changes a new session into what is kept.
    fn spoil(&self, new: &mut NewSession) {
        if matches!(self.flaw, Flaw::FoldsCase | Flaw::TrimsNames) {
            new.session.user = self.folded_user(&new.session.user);
            let provider = self.folded(new.session.provider.as_str());
            new.session.provider = ProviderName::new(provider).unwrap();
        }
        if self.flaw == Flaw::CutsLargeValues {
            let bytes = new.tokens.tokens.as_bytes().iter().copied().take(60_000);
            new.tokens.tokens = Sealed::from_bytes(bytes.collect());
        }
    }

    async fn admit_flawed(
        &self,
        mut new: NewSession,
        decide: &Decide<'_>,
    ) -> Result<Admission, StoreError> {
        self.spoil(&mut new);
        match self.flaw {
            Flaw::AdmitsInTwoSteps => {
                let present = self.present(&new).await?;
                self.pause().await;
                self.inner.admit(new, &|_| decide(&present)).await
            }
            Flaw::EndsSiblings => {
                let (user, except) = (new.session.user.clone(), new.session.id);
                let now = new.session.created_at;
                let admission = self.inner.admit(new, decide).await?;
                let target = EndTarget::Others { user, except };
                self.inner.end(target, EndReason::Evicted.into(), now).await?;
                Ok(admission)
            }
            Flaw::TouchesSiblings => {
                let now = new.session.created_at;
                for sibling in self.inner.list(&new.session.user).await? {
                    self.inner.touch(sibling.id, now).await?;
                }
                self.inner.admit(new, decide).await
            }
            Flaw::CarriesOutRefusals => {
                let verdict = |present: &[AdmittedSession]| match decide(present) {
                    Verdict::Refuse { .. } => Verdict::Admit(Vec::new()),
                    verdict => verdict,
                };
                self.inner.admit(new, &verdict).await
            }
            Flaw::SupersedesByAnyPreviousCookie => {
                let held = self.held_by_browser(&new).await?;
                new.supersedes = held.and_then(|row| row.digests.current);
                self.inner.admit(new, decide).await
            }
            Flaw::SupersedesOnRefusal | Flaw::SupersedesAfterTheCount => {
                self.supersede_apart(new, decide).await
            }
            Flaw::KnowsCurrentCookiesOnly => {
                let known = self.held_by_browser(&new).await?;
                new.supersedes = new.supersedes.filter(|_| known.is_some());
                self.inner.admit(new, decide).await
            }
            Flaw::ForgetsTheBrowser => {
                new.supersedes = None;
                self.inner.admit(new, decide).await
            }
            Flaw::CountsAllPartitionsTogether => {
                let listed = self.inner.list(&new.session.user).await?;
                let all: Vec<AdmittedSession> = listed.iter().map(admitted).collect();
                self.inner.admit(new, &|_| decide(&all)).await
            }
            Flaw::EvictsTheAdmitted => self.admit_and_evict(new, decide).await,
            _ => self.inner.admit(new, &|present| self.judge(present, decide)).await,
        }
    }

    /// Ends the admitted session if another one had to end for it.
    async fn admit_and_evict(
        &self,
        new: NewSession,
        decide: &Decide<'_>,
    ) -> Result<Admission, StoreError> {
        let (id, now) = (new.session.id, new.session.created_at);
        let admission = self.inner.admit(new, decide).await?;
        if matches!(&admission, Admission::Admitted { ended } if !ended.is_empty()) {
            let target = EndTarget::One { id, user: None };
            self.inner.end(target, EndReason::Evicted.into(), now).await?;
        }
        Ok(admission)
    }

    /// Returns the verdict, with a flaw in the question or in the answer.
    fn judge(&self, present: &[AdmittedSession], decide: &Decide<'_>) -> Verdict {
        let told: Vec<AdmittedSession> = present.iter().map(|o| self.told(*o)).collect();
        let Verdict::Admit(mut leaving) = decide(&told) else { return decide(&told) };
        match self.flaw {
            Flaw::EvictsOneOnly => leaving.truncate(1),
            Flaw::EvictsAsTimedOut => {
                let idle = |d: Eviction| Eviction { reason: EndReason::Idle, ..d };
                leaving = leaving.into_iter().map(idle).collect();
            }
            _ => {}
        }
        Verdict::Admit(leaving)
    }

    fn told(&self, present: AdmittedSession) -> AdmittedSession {
        let by_clock = u64::try_from(present.timeouts_from.as_millis()).unwrap_or(0);
        match self.flaw {
            Flaw::OrdersByClock => AdmittedSession { admission: by_clock, ..present },
            Flaw::HidesTheLastUse => {
                AdmittedSession { last_seen_at: present.timeouts_from, ..present }
            }
            _ => present,
        }
    }

    /// Finds the session of the browser's cookie, as this store finds it.
    async fn held_by_browser(&self, new: &NewSession) -> Result<Option<StoredSession>, StoreError> {
        match &new.supersedes {
            Some(digest) => self.find_by_digest(digest).await,
            None => Ok(None),
        }
    }

    /// Ends the session of the browser in a separate step, before or after the count.
    async fn supersede_apart(
        &self,
        mut new: NewSession,
        decide: &Decide<'_>,
    ) -> Result<Admission, StoreError> {
        let now = new.session.created_at;
        let held = match new.supersedes.take() {
            Some(digest) => self.inner.find_by_digest(&digest).await?,
            None => None,
        };
        let end = held.map(|row| EndTarget::One { id: row.session.id, user: None });
        let mut first = Vec::new();
        if let Some(target) = end.clone().filter(|_| self.flaw == Flaw::SupersedesOnRefusal) {
            first = self.inner.end(target, EndReason::Superseded.into(), now).await?;
        }
        let Admission::Admitted { mut ended } = self.inner.admit(new.clone(), decide).await? else {
            let live = self.present(&new).await?.len();
            return Ok(Admission::Refused { live });
        };
        if let Some(target) = end.filter(|_| self.flaw == Flaw::SupersedesAfterTheCount) {
            ended.extend(self.inner.end(target, EndReason::Superseded.into(), now).await?);
        }
        first.extend(ended);
        Ok(Admission::Admitted { ended: first })
    }

    /// Returns the live sessions of the partition, read in a separate transaction.
    async fn present(&self, new: &NewSession) -> Result<Vec<AdmittedSession>, StoreError> {
        let seen = Mutex::new(Vec::new());
        let refuse = |present: &[AdmittedSession]| {
            *seen.lock().unwrap() = present.to_vec();
            Verdict::Refuse { live: present.len() }
        };
        self.inner.admit(new.clone(), &refuse).await?;
        Ok(seen.into_inner().unwrap())
    }

    async fn end_flawed(
        &self,
        target: EndTarget,
        mut cause: EndCause,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let target = self.aimed(target);
        match self.flaw {
            Flaw::ForgetsReasons if cause.reason == EndReason::Evicted => {
                cause.reason = EndReason::SignedOut;
            }
            Flaw::ForgetsActors => cause.actor = None,
            _ => {}
        }
        let ended = self.inner.end(target, cause, now).await?;
        for one in &ended {
            let due = self.inner.claim_revocations(now, now, u64::MAX).await?;
            let Some(own) = due.into_iter().find(|revocation| revocation.session == one.id) else {
                continue;
            };
            match self.flaw {
                Flaw::DropsRefreshTokens => self.inner.complete_revocation(own.id).await?,
                Flaw::EnqueuesTwice => {
                    let mut again = own;
                    again.id = RevocationId::generate();
                    self.inner.enqueue_revocation(again).await?;
                }
                _ => {
                    // Reading the outbox must not count as an attempt.
                    self.inner.complete_revocation(own.id).await?;
                    let mut untried = own;
                    untried.attempts -= 1;
                    self.inner.enqueue_revocation(untried).await?;
                }
            }
        }
        Ok(ended)
    }

    /// Returns the wrong target of an end.
    fn aimed(&self, target: EndTarget) -> EndTarget {
        match (self.flaw, target) {
            (Flaw::EndsUsedOnes, EndTarget::Unused { sessions }) => match sessions[..] {
                [(id, _)] => EndTarget::One { id, user: None },
                _ => EndTarget::Unused { sessions },
            },
            (Flaw::EndsForAnyUser, EndTarget::One { id, .. })
            | (Flaw::EndsChangedOnes, EndTarget::Unchanged { id, .. }) => {
                EndTarget::One { id, user: None }
            }
            (Flaw::EndsOneProviderAsAll, EndTarget::AllOf { user, .. }) => {
                EndTarget::AllOf { user, provider: None }
            }
            (Flaw::EndsLaterSessions, EndTarget::OfProvider(mut logout)) => {
                logout.created_until = None;
                EndTarget::OfProvider(logout)
            }
            (Flaw::EndsAllOfAnIssuer, EndTarget::OfProvider(logout)) => {
                EndTarget::OfProvider(logout.with_sid(None))
            }
            (_, target) => target,
        }
    }
}

fn admitted(session: &Session) -> AdmittedSession {
    AdmittedSession {
        id: session.id,
        admission: 0,
        last_seen_at: session.last_seen_at,
        timeouts_from: session.timeouts_from,
    }
}
