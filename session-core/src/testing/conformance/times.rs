//! Law 8: the caller's clock decides; times are returned exactly as they were given.

use super::kit::{
    Nodes, Outcome, digest, end_one, ensure, ensure_eq, outbox, signed_in, stored, token_write,
};
use crate::clock::Timestamp;
use crate::event::{Event, EventKind, EventName};
use crate::session::{EndReason, Ended};
use crate::store::{PreviousDigest, SecretRotation, TimeoutBasis, TimeoutQuery};
use crate::testing::sample::{self, Login};

cases! { 8:
    law_8_every_time_is_returned_exactly,
    law_8_absurd_clocks_break_nothing,
    law_8_distant_times_keep_their_order,
}

/// The epoch, times before it, odd milliseconds, the limits of 32 bits and of the year 9999, and
/// absurd times.
const MOMENTS: [i64; 10] = [
    0,
    1,
    -1,
    -62_135_596_800_001,
    1_767_225_600_123,
    2_147_483_648_999,
    253_402_300_800_000,
    i64::MAX / 1_000,
    i64::MAX,
    i64::MIN,
];

async fn law_8_every_time_is_returned_exactly(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    for moment in MOMENTS.map(Timestamp::from_millis) {
        let login = Login::of("ann", "okta").at(moment);
        let session = signed_in(store, &login).await?.session;
        ensure_eq(
            session.clone(),
            login.session.clone(),
            "creation, last use and start of the timeouts",
        )?;
        store.write_tokens(token_write(&session, moment)).await?;
        let previous =
            PreviousDigest { digest: digest(&login)?, rotated_at: moment, confirmed_at: None };
        let to = sample::secret().digest();
        let rotation = SecretRotation::new(login.id(), login.digest(), to, previous.rotated_at)
            .with_previous(Some(previous));
        store.rotate_secret(rotation).await?;
        store.confirm_rotation(login.id(), &to, moment).await?;
        end_one(store, login.id(), EndReason::SignedOut, moment).await?;
        let row = stored(nodes.other(), login.id()).await?;
        ensure_eq(row.session.renewed_at, Some(moment), "the renewal")?;
        let previous = row.digests.previous;
        let rotated = previous.map(|previous| (previous.rotated_at, previous.confirmed_at));
        ensure_eq(rotated, Some((moment, Some(moment))), "rotation and confirmation")?;
        let end = Ended { at: moment, reason: EndReason::SignedOut };
        ensure_eq(row.session.ended, Some(end), "the end")?;
        let events = store.events(login.id()).await?;
        ensure_eq(events.len(), 3, "every event is recorded")?;
        ensure(events.iter().all(|event| event.at == moment), "with its time")?;
    }
    Ok(())
}

async fn law_8_absurd_clocks_break_nothing(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let login = Login::of("ann", "okta");
    signed_in(store, &login).await?;
    let far = Timestamp::from_millis(i64::MAX);
    let past = Timestamp::from_millis(i64::MIN);
    store.touch(login.id(), past).await?;
    let kept = stored(store, login.id()).await?.session.last_seen_at;
    ensure_eq(kept, login.session.last_seen_at, "a clock in the past does not move it back")?;
    store.touch(login.id(), far).await?;
    let moved = stored(store, login.id()).await?.session.last_seen_at;
    ensure_eq(moved, far, "a clock in the future moves it, exactly")?;
    ensure_eq(store.purge_ended(past, 10).await?, 0, "no session ended so early")?;
    ensure_eq(store.purge_events(EventName::Created, past, 10).await?, 0, "no event is so early")?;
    let event = Event {
        session: login.id(),
        user: login.session.user.clone(),
        provider: login.session.provider.clone(),
        kind: EventKind::Renewed,
        actor: None,
        at: past,
    };
    store.record(event).await?;
    let first = store.events(login.id()).await?.into_iter().next();
    ensure_eq(first.map(|event| event.at), Some(past), "the oldest comes first")?;
    end_one(store, login.id(), EndReason::SignedOut, far).await?;
    ensure_eq(store.claim_revocations(sample::now(), far, 10).await?, Vec::new(), "not due yet")?;
    let due = store.claim_revocations(far, far, 10).await?;
    ensure_eq(due.first().map(|r| (r.created_at, r.attempts)), Some((far, 1)), "due at its time")?;
    ensure_eq(outbox(store).await?, Vec::new(), "the outbox is empty afterwards")
}

async fn law_8_distant_times_keep_their_order(nodes: Nodes) -> Outcome {
    for moment in MOMENTS.map(Timestamp::from_millis) {
        signed_in(nodes.first(), &Login::of("ann", "okta").at(moment)).await?;
    }
    for by in [TimeoutBasis::LastSeen, TimeoutBasis::TimeoutsFrom] {
        let until = Timestamp::from_millis(i64::MAX);
        let query = TimeoutQuery::new(by, until, 100);
        let found = nodes.other().list_timeout_candidates(query).await?;
        let found: Vec<i64> = found.iter().map(|s| s.timeouts_from.as_millis()).collect();
        let mut expected = MOMENTS.to_vec();
        expected.sort_unstable();
        ensure_eq(found, expected, "earliest first, also before the epoch")?;
    }
    Ok(())
}
