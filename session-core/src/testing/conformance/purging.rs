//! Law 9: purging is batched, and decided by the end or the timeouts of a session.

use std::time::Duration;

use super::kit::{
    Nodes, Outcome, at, end_one, ensure, ensure_eq, ids, later, sign_in, sign_in_all, signed_in,
    sorted, stored, token_write, unlimited,
};
use crate::clock::Timestamp;
use crate::event::{Event, EventKind, EventName};
use crate::policy::ProviderSelection;
use crate::session::{EndReason, SessionId};
use crate::store::{KEPT_ROUNDS, Round, SessionStore, TimeoutBasis, TimeoutQuery};
use crate::testing::sample::{self, Login};
use crate::token::TokenSet;

cases! { 9:
    law_9_ended_sessions_are_purged_in_batches,
    law_9_only_sessions_that_ended_before_are_purged,
    law_9_the_expiry_of_a_token_purges_nothing,
    law_9_a_purge_frees_id_and_digests,
    law_9_a_purge_keeps_events_and_outbox,
    law_9_events_are_purged_in_batches,
    law_9_timeout_candidates_are_listed_in_pages_and_in_order,
    law_9_connections_are_listed_by_their_last_renewal,
    law_9_only_live_sessions_are_timeout_candidates,
    law_9_two_purges_at_once_delete_each_row_once,
    law_9_timeout_candidates_are_those_of_the_selected_providers,
    law_9_a_round_of_maintenance_is_claimed_once,
    law_9_of_many_claims_of_a_round_one_wins,
}

/// Creates sessions that ended one second after the other.
async fn ended(store: &dyn SessionStore, count: u64) -> Outcome<Vec<Login>> {
    let logins: Vec<_> = (0..count).map(|_| Login::of("ann", "okta")).collect();
    sign_in_all(store, &logins).await?;
    for (login, second) in logins.iter().zip(0..) {
        end_one(store, login.id(), EndReason::SignedOut, at(second)).await?;
    }
    Ok(logins)
}

async fn law_9_ended_sessions_are_purged_in_batches(nodes: Nodes) -> Outcome {
    ended(nodes.first(), 7).await?;
    let mut batches = Vec::new();
    for _ in 0..4 {
        batches.push(nodes.other().purge_ended(later(), 3).await?);
    }
    ensure_eq(batches, vec![3, 3, 1, 0], "a batch is within the limit (F34)")?;
    ensure_eq(nodes.first().purge_ended(later(), 0).await?, 0, "a limit of zero deletes none")
}

async fn law_9_only_sessions_that_ended_before_are_purged(nodes: Nodes) -> Outcome {
    let over = ended(nodes.first(), 4).await?;
    let live = Login::of("ann", "okta");
    signed_in(nodes.first(), &live).await?;
    ensure_eq(nodes.first().purge_ended(at(2), 100).await?, 2, "two ended before")?;
    let mut left = Vec::new();
    for login in over.iter().chain([&live]) {
        left.push(nodes.other().find(login.id()).await?.is_some());
    }
    ensure_eq(left, vec![false, false, true, true, true], "the rest is readable (law 7)")
}

async fn law_9_the_expiry_of_a_token_purges_nothing(nodes: Nodes) -> Outcome {
    let long_ago = Timestamp::from_millis(1);
    let response = sample::response().with_expires_in(Duration::from_secs(1));
    let tokens = TokenSet::new(response, long_ago, Duration::from_secs(1));
    let login = Login::of("ann", "okta").with_tokens(tokens).at(long_ago);
    signed_in(nodes.first(), &login).await?;
    ensure_eq(nodes.first().purge_ended(later(), 100).await?, 0, "it has not ended")?;
    ensure(stored(nodes.other(), login.id()).await?.session.is_live(), "it is live")
}

async fn law_9_a_purge_frees_id_and_digests(nodes: Nodes) -> Outcome {
    let over = ended(nodes.first(), 1).await?;
    nodes.first().purge_ended(later(), 100).await?;
    for login in over {
        ensure_eq(nodes.first().find(login.id()).await?, None, "it is gone")?;
        // The same cookie and id may come again: nothing of them is held.
        let again = sign_in(nodes.other(), &login, &unlimited()?).await?;
        ensure_eq(again, Vec::new(), "and nothing stands in the way of a new one")?;
        ensure(stored(nodes.first(), login.id()).await?.session.is_live(), "which lives")?;
    }
    Ok(())
}

async fn law_9_a_purge_keeps_events_and_outbox(nodes: Nodes) -> Outcome {
    let over = ended(nodes.first(), 2).await?;
    nodes.first().purge_ended(later(), 100).await?;
    for login in over {
        let events = nodes.first().events(login.id()).await?;
        ensure_eq(events.len(), 2, "events are purged by their own age")?;
    }
    let out = nodes.first().claim_revocations(later(), later(), 100).await?;
    ensure_eq(out.len(), 2, "refresh tokens are to be revoked all the same")
}

async fn law_9_events_are_purged_in_batches(nodes: Nodes) -> Outcome {
    let session = Login::of("ann", "okta").session;
    for second in 0..7 {
        let (user, provider) = (session.user.clone(), session.provider.clone());
        let kind = EventKind::Renewed;
        let event =
            Event { session: session.id, user, provider, kind, actor: None, at: at(second) };
        nodes.first().record(event).await?;
    }
    for (deleted, what) in
        [(3, "a batch is within the limit"), (2, "the rest follows"), (0, "none is left")]
    {
        let other = EventName::RenewalFailed;
        ensure_eq(nodes.first().purge_events(other, at(5), 3).await?, 0, "another kind stays")?;
        ensure_eq(nodes.other().purge_events(EventName::Renewed, at(5), 3).await?, deleted, what)?;
    }
    let left = nodes.first().events(session.id).await?;
    let left: Vec<_> = left.iter().map(|event| event.at).collect();
    ensure_eq(left, vec![at(5), at(6)], "later ones stay")
}

/// Reads all pages of timeout candidates, one after the other.
async fn pages(
    store: &dyn SessionStore,
    by: TimeoutBasis,
    until: Timestamp,
) -> Outcome<Vec<Vec<SessionId>>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page =
            store.list_timeout_candidates(TimeoutQuery::new(by, until, 3).after(after)).await?;
        let Some(last) = page.last() else { return Ok(pages) };
        after = by.time_of(last).map(|moment| (moment, last.id));
        pages.push(ids(&page));
        ensure(pages.len() < 100, "the pages come to an end")?;
    }
}

async fn law_9_timeout_candidates_are_listed_in_pages_and_in_order(nodes: Nodes) -> Outcome {
    // Two sessions at each time, so that ids decide; last uses and starts are in opposite orders.
    let logins: Vec<_> = (0..8_u64)
        .map(|n| Login::of("ann", "okta").at(at(n / 2)).last_seen(at(100 - n / 2)))
        .collect();
    sign_in_all(nodes.first(), &logins).await?;
    type Key = fn(&Login) -> (Timestamp, SessionId);
    let keys: [(TimeoutBasis, Timestamp, Key); 2] = [
        (TimeoutBasis::TimeoutsFrom, at(2), |l| (l.session.timeouts_from, l.id())),
        (TimeoutBasis::LastSeen, at(99), |l| (l.session.last_seen_at, l.id())),
    ];
    for (by, until, key) in keys {
        let mut expected: Vec<_> = logins.iter().map(key).filter(|(m, _)| *m <= until).collect();
        expected.sort_unstable();
        let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
        let expected: Vec<_> = expected.chunks(3).map(<[SessionId]>::to_vec).collect();
        let found = pages(nodes.other(), by, until).await?;
        ensure_eq(found, expected, "each one once, by time and id, up to and including the time")?;
    }
    Ok(())
}

async fn law_9_connections_are_listed_by_their_last_renewal(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let mut connections: Vec<_> =
        (0..5_u64).map(|n| Login::of("ann", "mcp:files").at(at(n)).connection()).collect();
    connections.extend([Login::of("ann", "okta"), Login::of("ann", "okta").imported()]);
    sign_in_all(store, &connections).await?;
    let [renewed, ended, stepped, late, last, login, _] = &connections[..] else { return Ok(()) };
    store.write_tokens(token_write(&renewed.session, at(100))).await?;
    store.write_tokens(token_write(&login.session, at(1))).await?;
    end_one(store, ended.id(), EndReason::SignedOut, at(5)).await?;
    let by = TimeoutBasis::ConnectionRenewed;
    let expected = vec![vec![stepped.id(), late.id(), last.id()]];
    ensure_eq(pages(nodes.other(), by, at(99)).await?, expected, "live connections, in order")?;
    let expected = vec![vec![stepped.id(), late.id(), last.id()], vec![renewed.id()]];
    ensure_eq(pages(nodes.other(), by, at(100)).await?, expected, "a renewal counts as the last")
}

async fn law_9_only_live_sessions_are_timeout_candidates(nodes: Nodes) -> Outcome {
    let logins = [Login::of("ann", "okta"), Login::of("ben", "google")];
    sign_in_all(nodes.first(), &logins).await?;
    let [over, live] = &logins;
    end_one(nodes.first(), over.id(), EndReason::Idle, at(5)).await?;
    for by in [TimeoutBasis::LastSeen, TimeoutBasis::TimeoutsFrom] {
        let found = pages(nodes.other(), by, later()).await?;
        ensure_eq(found, vec![vec![live.id()]], "an ended session is no candidate")?;
        let query = TimeoutQuery::new(by, at(0) - Duration::from_millis(1), 9);
        ensure_eq(
            nodes.first().list_timeout_candidates(query).await?,
            Vec::new(),
            "a younger session is no candidate",
        )?;
    }
    Ok(())
}

async fn law_9_two_purges_at_once_delete_each_row_once(nodes: Nodes) -> Outcome {
    ended(nodes.first(), 20).await?;
    let mut deleted = 0;
    for _ in 0..20 {
        let batches = nodes
            .at_once(vec![4, 4], |node, limit| async move {
                Ok(node.purge_ended(later(), limit).await?)
            })
            .await?;
        ensure(batches.iter().all(|batch| *batch <= 4), "a batch is within the limit")?;
        deleted += batches.iter().sum::<u64>();
    }
    ensure_eq(deleted, 20, "each row is counted once")
}

async fn law_9_timeout_candidates_are_those_of_the_selected_providers(nodes: Nodes) -> Outcome {
    let names = ["okta", "Okta", "mcp:a", "mcp:a%", "MCP:a", "mcp_a", "mcp", "m\u{f6}p:a"];
    let logins: Vec<_> = names.iter().map(|name| Login::of("ann", name)).collect();
    sign_in_all(nodes.first(), &logins).await?;
    let all = ProviderSelection::all;
    let matching = |pattern: &str| ProviderSelection::matching(pattern);
    for selection in [
        all(),
        all().except(["okta", "mcp:*"]),
        all().except(["m\u{f6}*"]),
        all().except(["*"]),
        matching("*").except(["mcp*"]),
        matching("okta"),
        matching("mcp:*"),
        matching("mcp:*").except(["mcp:a"]),
        matching("m\u{f6}p:*"),
        matching("absent"),
    ] {
        let query = TimeoutQuery::new(TimeoutBasis::LastSeen, later(), 100);
        let found = nodes.other().list_timeout_candidates(query.of(selection.clone())).await?;
        let is_selected = |login: &&Login| selection.contains(&login.session.provider);
        let expected = logins.iter().filter(is_selected).map(Login::id).collect();
        ensure_eq(sorted(ids(&found)), sorted(expected), "byte for byte, whatever the collation")?;
    }
    Ok(())
}

async fn law_9_a_round_of_maintenance_is_claimed_once(nodes: Nodes) -> Outcome {
    let (first, other) = (nodes.first(), nodes.other());
    ensure_eq(first.list_rounds(9).await?, Vec::new(), "there was none")?;
    let round = |number: u64| Round { number, at: at(number) };
    for number in 1..=KEPT_ROUNDS + 5 {
        ensure(first.claim_round(round(number)).await?, "a new round is claimed")?;
        let again = Round { number, at: at(number + 1) };
        ensure(!other.claim_round(again).await?, "once")?;
    }
    let last = KEPT_ROUNDS + 5;
    let found = other.list_rounds(3).await?;
    let expected: Vec<_> = [last, last - 1, last - 2].map(round).to_vec();
    ensure_eq(found, expected, "the latest first, with the time of the one that claimed it")?;
    let kept = u64::try_from(first.list_rounds(1000).await?.len()).unwrap_or(u64::MAX);
    ensure(kept <= KEPT_ROUNDS + 1, "old ones are forgotten")?;
    signed_in(first, &Login::of("ann", "okta")).await?;
    ensure_eq(other.list_rounds(1).await?, vec![round(last)], "an admission is no round")
}

async fn law_9_of_many_claims_of_a_round_one_wins(nodes: Nodes) -> Outcome {
    for number in 1..20 {
        let round = Round { number, at: at(number) };
        let claims = nodes
            .at_once(
                vec![round; 6],
                |node, round| async move { Ok(node.claim_round(round).await?) },
            )
            .await?;
        let won = claims.iter().filter(|won| **won).count();
        ensure_eq(won, 1, "one node does the round")?;
    }
    Ok(())
}
