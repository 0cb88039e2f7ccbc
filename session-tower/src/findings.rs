//! What the values of a request lead to, together: a pure decision.

use std::sync::Arc;

use session_core::manager::LiveSession;
use session_core::middleware::LiveSessionExt as _;

use crate::cookie::Candidate;
use crate::current::EndedSession;

/// What one value leads to.
pub(crate) enum Lookup {
    Ended(EndedSession),
    Live(Arc<LiveSession>, Candidate),
    Superseded,
    Unknown,
    Unreadable,
}

/// What all values lead to.
pub(crate) enum Conclusion {
    /// Exactly one live session: nothing else counts, and nothing is cleared.
    Live(Arc<LiveSession>, Candidate),
    /// A session that has ended, and no live one.
    Ended(EndedSession),
    /// Nobody is signed in, and the cookie must be left alone.
    None,
    /// None that we know of, or none any more: never adopted (S3), and cleared (F37).
    Unknown,
    /// A session whose tokens do not open, and no live one.
    Unreadable,
}

#[derive(Default)]
pub(crate) struct Findings {
    live: Option<(Arc<LiveSession>, Candidate)>,
    are_several_live: bool,
    ended: Option<EndedSession>,
    is_superseded: bool,
    is_unreadable: bool,
}

impl Findings {
    pub(crate) fn add(&mut self, lookup: Lookup) {
        match lookup {
            Lookup::Ended(ended) => self.ended = self.ended.or(Some(ended)),
            Lookup::Live(live, candidate) => self.add_live(live, candidate),
            Lookup::Superseded => self.is_superseded = true,
            Lookup::Unknown => {}
            Lookup::Unreadable => self.is_unreadable = true,
        }
    }

    /// The old and the new secret of one session are one session; the new one then counts, for it
    /// has arrived and needs no replacement.
    fn add_live(&mut self, live: Arc<LiveSession>, candidate: Candidate) {
        let is_better = match &self.live {
            None => true,
            Some((known, _)) if known.session().id == live.session().id => {
                known.is_found_by_previous_secret()
            }
            Some(_) => {
                self.are_several_live = true;
                false
            }
        };
        if is_better {
            self.live = Some((live, candidate));
        }
    }

    pub(crate) fn conclude(self) -> Conclusion {
        match self {
            Self { are_several_live: true, .. } => {
                tracing::warn!("cookies of several live sessions in one request count as none");
                Conclusion::None
            }
            Self { live: Some((live, candidate)), .. } => Conclusion::Live(live, candidate),
            Self { is_unreadable: true, .. } => Conclusion::Unreadable,
            // The new cookie may stand in its place already.
            Self { is_superseded: true, .. } => Conclusion::None,
            Self { ended: Some(ended), .. } => Conclusion::Ended(ended),
            Self { .. } => Conclusion::Unknown,
        }
    }
}
