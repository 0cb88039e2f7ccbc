//! The provider: it rotates refresh tokens, and may detect that a used one is sent again.

use super::process::Step;
use super::{Renewal, State, Token};

/// The provider, and what is on its way to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Provider {
    /// The newest token.
    pub(crate) newest: Token,
    /// Whether the grant is over, because a used token was sent.
    pub(crate) is_dead: bool,
    /// The request of each process that has not arrived yet, with the owner of its lease.
    pub(crate) requests: [Option<Request>; 2],
}

/// A request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) token: Token,
    /// The attempt that waits for the answer.
    pub(crate) owner: u8,
}

/// What the provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// New tokens.
    Rotated(Token),
    /// `invalid_grant`
    Refused,
}

impl Provider {
    pub(crate) fn has_request_of(&self, process: usize) -> bool {
        self.requests.get(process).is_some_and(Option::is_some)
    }

    /// Handles a request: its effect is there, whatever becomes of the answer.
    fn handle(&mut self, token: Token, detects_reuse: bool) -> Answer {
        self.is_dead |= detects_reuse && token != self.newest;
        if self.is_dead {
            return Answer::Refused;
        }
        self.newest += 1;
        Answer::Rotated(self.newest)
    }
}

impl Renewal {
    pub(crate) fn answer(&self, state: &mut State, at: usize) {
        let Some((request, given)) = self.handled(state, at) else { return };
        // An attempt that is over hears nothing.
        if let Step::Asking { work, answer, .. } = &mut state.processes[at].step
            && work.lease.owner == request.owner
        {
            *answer = Some(given);
        }
    }

    pub(crate) fn lose_answer(&self, state: &mut State, at: usize) {
        state.left.lost_answers -= 1;
        if let Some((request, _)) = self.handled(state, at) {
            state.excuse(request.token);
        }
    }

    fn handled(&self, state: &mut State, at: usize) -> Option<(Request, Answer)> {
        let request = state.provider.requests[at].take()?;
        Some((request, state.provider.handle(request.token, self.detects_reuse)))
    }
}
