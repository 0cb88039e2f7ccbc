//! The story, step by step.

mod cap;
mod copies;
mod ends;
mod keys;
mod renewal;
mod sign_in;
mod tool_client;

use super::step::Step;

/// The steps, in order; each builds on those before it.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "two devices of one user sign in, and one of another",
        run: |world| Box::pin(sign_in::two_devices(world)),
    },
    Step {
        name: "both call the tool, each with its own token",
        run: |world| Box::pin(renewal::both_call_the_tool(world)),
    },
    Step {
        name: "both tokens expire and are renewed, each by itself",
        run: |world| Box::pin(renewal::both_expire(world)),
    },
    Step {
        name: "a hundred requests at once at expiry make one renewal",
        run: |world| Box::pin(renewal::a_hundred_at_once(world)),
    },
    Step {
        name: "a token that the tool refuses before its time is renewed",
        run: |world| Box::pin(renewal::refused_early(world)),
    },
    Step {
        name: "the same browser signs in anew, and holds one session",
        run: |world| Box::pin(sign_in::anew(world)),
    },
    Step {
        name: "a request from another site changes nothing",
        run: |world| Box::pin(ends::cross_site(world)),
    },
    Step {
        name: "the eleventh sign-in evicts exactly the oldest, which is told why, and its stream ends",
        run: |world| Box::pin(cap::eleventh(world)),
    },
    Step {
        name: "sign-out of one device leaves the rest",
        run: |world| Box::pin(ends::sign_out(world)),
    },
    Step {
        name: "a device is ended from another one, a stranger's cannot be",
        run: |world| Box::pin(ends::end_one(world)),
    },
    Step {
        name: "a tool client's new connection replaces its old one, and nothing else",
        run: |world| Box::pin(tool_client::replaced(world)),
    },
    Step {
        name: "a second copy on the database knows every session",
        run: |world| Box::pin(copies::second_copy(world)),
    },
    Step {
        name: "an end on one copy is an end on the other within max_staleness",
        run: |world| Box::pin(copies::ends_elsewhere(world)),
    },
    Step {
        name: "twenty sign-ins at once over both copies keep the cap",
        run: |world| Box::pin(copies::cap_over_both(world)),
    },
    Step {
        name: "a copy with a wrong key refuses to start, and nothing is lost",
        run: |world| Box::pin(keys::wrong_key(world)),
    },
    Step { name: "another user is untouched", run: |world| Box::pin(ends::another_user(world)) },
    Step {
        name: "a stop ends open streams and lets everything finish",
        run: |world| Box::pin(ends::stop(world)),
    },
];
