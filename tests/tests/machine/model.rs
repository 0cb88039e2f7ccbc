//! What ought to be.

use std::time::Duration;

use session_core::policy::{OnFull, Rule};
use session_core::session::SecretDigest;
use session_core::{EndReason, SessionId, Timestamp};
use session_tests::manager::policy as defaults;

pub(crate) const IDLE: Duration = Duration::from_secs(1_800);
pub(crate) const ABSOLUTE: Duration = Duration::from_secs(7_200);
pub(crate) const RETENTION: Duration = Duration::from_secs(3_600);
pub(crate) const USERS: [&str; 3] = ["ann", "bob", "cem"];
/// Two for browsers, the oldest or the least recently used leaving, and one for tool clients.
pub(crate) const PROVIDERS: [&str; 3] = ["oldest", "recent", "mcp:tool"];
pub(crate) const TOOL: usize = 2;
pub(crate) const CAP: usize = 3;

pub(crate) fn policy() -> session_core::policy::PolicyBuilder {
    let lru = OnFull::EvictLeastRecentlyUsed;
    defaults()
        .max_sessions(3)
        .idle_timeout(IDLE)
        .absolute_timeout(ABSOLUTE)
        .retention(RETENTION)
        .touch_interval(Duration::ZERO)
        .rule(Rule::for_provider("recent").on_full(lru))
        .rule(Rule::for_provider("mcp:*").replace())
}

/// A secret that was rotated away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Previous {
    pub(crate) digest: SecretDigest,
    pub(crate) rotated_at: Timestamp,
    pub(crate) confirmed_at: Option<Timestamp>,
    /// The first new secret was lost, and another took its place.
    pub(crate) was_made_good: bool,
}

impl Previous {
    pub(crate) fn is_accepted(&self, now: Timestamp) -> bool {
        let after = self.confirmed_at.map(|at| at + Duration::from_secs(30));
        now < self.rotated_at + Duration::from_secs(600) && after.is_none_or(|after| now < after)
    }

    fn may_be_made_good(&self, now: Timestamp) -> bool {
        let is_lost =
            self.confirmed_at.is_none() && now >= self.rotated_at + Duration::from_secs(60);
        is_lost && !self.was_made_good
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: SessionId,
    pub(crate) user: usize,
    pub(crate) provider: usize,
    pub(crate) current: Option<SecretDigest>,
    pub(crate) previous: Option<Previous>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_seen_at: Timestamp,
    /// When and why its row ended.
    pub(crate) ended: Option<(Timestamp, EndReason)>,
    pub(crate) is_purged: bool,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) received_at: Timestamp,
}

/// What a digest leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    Ended(usize, EndReason),
    Live(usize),
    Superseded,
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// In the order of admission.
    pub(crate) sessions: Vec<Known>,
    /// Every secret that ever was.
    pub(crate) secrets: Vec<SecretDigest>,
}

impl Known {
    pub(crate) fn timed_out(&self, now: Timestamp) -> Option<EndReason> {
        if now >= self.created_at + ABSOLUTE {
            Some(EndReason::Absolute)
        } else if now >= self.last_seen_at + IDLE {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.ended.is_none()
    }

    fn is_presented_by(&self, digest: SecretDigest, now: Timestamp) -> bool {
        let by_previous = |p: Previous| p.digest == digest && p.is_accepted(now);
        self.current == Some(digest) || self.previous.is_some_and(by_previous)
    }

    pub(crate) fn end(&mut self, reason: EndReason, now: Timestamp) {
        self.ended = self.ended.or(Some((now, reason)));
    }

    /// Whether a rotation gives a new secret.
    pub(crate) fn rotate(&mut self, to: Option<SecretDigest>, now: Timestamp) -> bool {
        let fresh = |current| Previous {
            digest: current,
            rotated_at: now,
            confirmed_at: None,
            was_made_good: false,
        };
        let next = match self.previous.filter(|previous| previous.is_accepted(now)) {
            Some(previous) if previous.may_be_made_good(now) => {
                Some(Previous { was_made_good: true, ..previous })
            }
            Some(_) => return false,
            None => self.current.map(fresh),
        };
        if let Some(to) = to {
            (self.current, self.previous) = (Some(to), next);
        }
        true
    }
}

impl Model {
    pub(crate) fn is_over_cap(&self, now: Timestamp) -> bool {
        let count = |user, provider| {
            let of = |s: &&Known| s.user == user && s.provider == provider && s.is_live();
            self.sessions.iter().filter(of).filter(|s| s.timed_out(now).is_none()).count()
        };
        (0..USERS.len())
            .any(|user| count(user, 0) > CAP || count(user, 1) > CAP || count(user, TOOL) > 1)
    }

    /// Who ends for a new session, and why.
    pub(crate) fn admit(
        &mut self,
        user: usize,
        provider: usize,
        supersedes: Option<SecretDigest>,
        now: Timestamp,
    ) -> Vec<(SessionId, EndReason)> {
        let mut ending = Vec::new();
        if let Some(digest) = supersedes {
            let holds = |s: &Known| s.is_live() && s.is_presented_by(digest, now);
            let held = self.sessions.iter().position(holds);
            ending.extend(held.map(|index| (index, EndReason::Superseded)));
        }
        let superseded = ending.first().map(|(index, _)| *index);
        let (mut live, mut over) = (Vec::new(), Vec::new());
        for (index, session) in self.sessions.iter().enumerate() {
            let is_here = session.user == user && session.provider == provider;
            if is_here && session.is_live() && Some(index) != superseded {
                match session.timed_out(now) {
                    Some(reason) => over.push((index, reason)),
                    None => live.push(index),
                }
            }
        }
        ending.extend(over);
        let (places, reason) =
            if provider == TOOL { (1, EndReason::Replaced) } else { (CAP, EndReason::Evicted) };
        if provider == 1 {
            live.sort_by_key(|index| (self.sessions[*index].last_seen_at, *index));
        }
        let excess = (live.len() + 1).saturating_sub(places);
        ending.extend(live.into_iter().take(excess).map(|index| (index, reason)));
        ending.iter().for_each(|(index, reason)| self.sessions[*index].end(*reason, now));
        ending.into_iter().map(|(index, reason)| (self.sessions[index].id, reason)).collect()
    }

    /// A job's asking for a token is a use where there is no cookie (T3).
    pub(crate) fn use_by_token(&mut self, index: usize, now: Timestamp) {
        let session = &mut self.sessions[index];
        if session.current.is_none() {
            session.last_seen_at = now;
        }
    }

    /// What a reading of a digest finds; it ends what has timed out, and notes a use.
    pub(crate) fn resolve(
        &mut self,
        digest: SecretDigest,
        user: Option<usize>,
        now: Timestamp,
    ) -> Leads {
        let found =
            self.sessions.iter().position(|s| !s.is_purged && s.is_presented_by(digest, now));
        let Some(index) = found.filter(|i| user.is_none_or(|u| u == self.sessions[*i].user)) else {
            return Leads::Unknown;
        };
        let session = &mut self.sessions[index];
        match session.ended {
            Some((at, EndReason::Superseded)) if now < at + Duration::from_secs(60) => {
                return Leads::Superseded;
            }
            Some((_, EndReason::Superseded)) => return Leads::Unknown,
            Some((_, reason)) => return Leads::Ended(index, reason),
            None => {}
        }
        if let Some(reason) = session.timed_out(now) {
            session.end(reason, now);
            return Leads::Ended(index, reason);
        }
        session.last_seen_at = now;
        if session.current == Some(digest)
            && let Some(previous) = &mut session.previous
            && !previous.was_made_good
        {
            previous.confirmed_at = previous.confirmed_at.or(Some(now));
        }
        Leads::Live(index)
    }

    /// Ends the live ones that fit; gives how many.
    pub(crate) fn end_if(
        &mut self,
        reason: EndReason,
        now: Timestamp,
        fits: impl Fn(&Known) -> bool,
    ) -> usize {
        let ending = self.sessions.iter_mut().filter(|s| s.is_live() && fits(s));
        ending.map(|session| session.end(reason, now)).count()
    }

    /// How many time out and how many are deleted.
    pub(crate) fn purge(&mut self, now: Timestamp) -> (usize, u64) {
        let mut timed_out = 0;
        let mut purged = 0;
        for session in &mut self.sessions {
            if let Some(reason) = session.timed_out(now).filter(|_| session.is_live()) {
                session.end(reason, now);
                timed_out += 1;
            }
            if !session.is_purged && session.ended.is_some_and(|(at, _)| at < now - RETENTION) {
                session.is_purged = true;
                purged += 1;
            }
        }
        (timed_out, purged)
    }
}
