//! The browsers that have signed in a moment ago, by the cookie that they had before.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use session_core::Timestamp;
use session_core::session::SecretDigest;

/// For how long a response to the old cookie must not clear the new one.
const GRACE: Duration = Duration::from_secs(60);

/// The maximum number of sign-ins that are kept.
const MAX_SIGN_INS: usize = 4096;

/// The digests that sign-ins of this process were presented with, in the order of the sign-ins.
#[derive(Default)]
pub(crate) struct RecentSignIns(Mutex<VecDeque<(Timestamp, SecretDigest)>>);

impl RecentSignIns {
    /// Notes that the browser with this cookie has got another one.
    pub(crate) fn note(&self, presented: SecretDigest, now: Timestamp) {
        let mut sign_ins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while sign_ins.len() >= MAX_SIGN_INS
            || sign_ins.front().is_some_and(|(at, _)| now.since(*at) >= GRACE)
        {
            sign_ins.pop_front();
        }
        sign_ins.push_back((now, presented));
    }

    /// Returns whether the browser with this cookie may hold a newer one already.
    pub(crate) fn contains(&self, presented: &SecretDigest, now: Timestamp) -> bool {
        let sign_ins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sign_ins.iter().any(|(at, digest)| digest == presented && now.since(*at) < GRACE)
    }
}
