//! What holds always, and what happens in some run, so that the rest is no empty truth.

use stateright::Property;

use super::process::Step;
use super::store::EndReason;
use super::{Renewal, State, TIMEOUT};

pub(crate) fn properties() -> Vec<Property<Renewal>> {
    vec![
        // Store law 4.
        Property::always(
            "a refresh token is sent twice only with an excuse",
            |_, state: &State| !state.history.has_resent_unexcused,
        ),
        // Store law 3.
        Property::always("a newer token is never overwritten", |_, state: &State| {
            !state.history.has_overwritten
        }),
        Property::always("an ended session has no token", |_, state: &State| {
            state.row.is_live() || state.row.refresh_token.is_none()
        }),
        Property::always("no session ends because something was slow", |_, state: &State| {
            state.row.ended != Some(EndReason::RenewalRefused) || state.history.excused != 0
        }),
        // Store law 5.
        Property::always("a rotated token is stored, or about to be", |_, state: &State| {
            state.history.excused != 0 || is_kept(state)
        }),
        Property::sometimes("a token is renewed", |_, state: &State| {
            state.row.refresh_token == Some(1)
        }),
        Property::sometimes("it is renewed twice", |_, state: &State| {
            state.row.refresh_token == Some(2)
        }),
        Property::sometimes("a lease is taken over", |_, state: &State| {
            has_work(state, |step| step.work().is_some_and(|work| work.was_taken_over))
        }),
        Property::sometimes("an answer is late", |_, state: &State| {
            has_work(
                state,
                |step| matches!(step, Step::Asking { waited, answer: Some(_), .. } if *waited > TIMEOUT),
            )
        }),
        Property::sometimes("a token is sent twice", |_, state: &State| state.history.has_resent),
        Property::sometimes("a writer is overtaken", |_, state: &State| {
            has_work(
                state,
                |step| matches!(step, Step::Persisting { work, stored, .. } if *stored != Some(work.token)),
            )
        }),
        Property::sometimes("a write meets another revision", |_, state: &State| {
            has_work(state, |step| {
                matches!(step, Step::Persisting { work, .. }
                if state.row.is_live() && state.row.revision != work.revision)
            })
        }),
        Property::sometimes("a fetched token is discarded", |_, state: &State| {
            has_work(state, |step| matches!(step, Step::Discarding { .. }))
        }),
        Property::sometimes("the last check comes too late", |_, state: &State| {
            has_work(state, |step| matches!(step, Step::Raised { wall, .. } if *wall >= TIMEOUT))
        }),
    ]
}

/// The newest token is in the row, in the outbox, on its way in an answer, or being written.
fn is_kept(state: &State) -> bool {
    use super::provider::Answer;
    let newest = state.provider.newest;
    let has = |step: &Step| match step {
        Step::Asking { answer, .. } => *answer == Some(Answer::Rotated(newest)),
        Step::Persisting { fetched, .. }
        | Step::Rereading { fetched, .. }
        | Step::Discarding { fetched, .. } => *fetched == newest,
        _ => false,
    };
    let stored = [state.row.refresh_token, state.row.outbox];
    stored.contains(&Some(newest)) || has_work(state, has)
}

fn has_work(state: &State, is: impl Fn(&Step) -> bool) -> bool {
    state.processes.iter().any(|process| is(&process.step))
}
