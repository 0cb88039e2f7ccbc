//! The scenario, step by step.

mod cap;
mod copies;
mod ends;
mod keys;
mod renewal;
mod sign_in;
mod tool_client;

use super::step::Step;

/// The steps, in order; each builds on the previous ones.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "two devices of one user sign in, and one of another",
        action: |scenario| Box::pin(sign_in::two_devices(scenario)),
    },
    Step {
        name: "both call the tool, each with its own token",
        action: |scenario| Box::pin(renewal::both_call_the_tool(scenario)),
    },
    Step {
        name: "both tokens expire and are renewed separately",
        action: |scenario| Box::pin(renewal::both_expire(scenario)),
    },
    Step {
        name: "a hundred simultaneous requests at expiry cause one renewal",
        action: |scenario| Box::pin(renewal::a_hundred_at_once(scenario)),
    },
    Step {
        name: "a token that the tool rejects before its expiry is renewed",
        action: |scenario| Box::pin(renewal::refused_early(scenario)),
    },
    Step {
        name: "the same browser signs in again, and has one session",
        action: |scenario| Box::pin(sign_in::again(scenario)),
    },
    Step {
        name: "a request from another site changes nothing",
        action: |scenario| Box::pin(ends::cross_site(scenario)),
    },
    Step {
        name: "the eleventh sign-in evicts exactly the oldest device, which sees the reason, and its stream ends",
        action: |scenario| Box::pin(cap::eleventh(scenario)),
    },
    Step {
        name: "sign-out of one device leaves the others signed in",
        action: |scenario| Box::pin(ends::sign_out(scenario)),
    },
    Step {
        name: "a device is signed out from another one; another user's cannot be",
        action: |scenario| Box::pin(ends::end_one(scenario)),
    },
    Step {
        name: "a tool client's new connection replaces its old one, and nothing else",
        action: |scenario| Box::pin(tool_client::replaced(scenario)),
    },
    Step {
        name: "a second copy on the database serves every session",
        action: |scenario| Box::pin(copies::second_copy(scenario)),
    },
    Step {
        name: "an end on one copy reaches the other within max_staleness",
        action: |scenario| Box::pin(copies::ends_elsewhere(scenario)),
    },
    Step {
        name: "twenty simultaneous sign-ins on both copies keep the cap",
        action: |scenario| Box::pin(copies::cap_over_both(scenario)),
    },
    Step {
        name: "a copy with a wrong key refuses to start, and nothing is lost",
        action: |scenario| Box::pin(keys::wrong_key(scenario)),
    },
    Step {
        name: "another user is untouched",
        action: |scenario| Box::pin(ends::another_user(scenario)),
    },
    Step {
        name: "a shutdown closes open streams and finishes all work",
        action: |scenario| Box::pin(ends::stop(scenario)),
    },
];
