//! Law 7 for the audit trail: what happened to a session, in order (A1).

use super::kit::{
    Nodes, Outcome, Violation, at, capped, end_one, ensure, ensure_eq, sign_in, sign_in_all,
    signed_in, token_write,
};
use crate::event::{Change, Event, EventKind, RenewalFailure};
use crate::policy::OnFull;
use crate::session::{Actor, EndCause, EndReason, Session};
use crate::store::{ChangesQuery, EndTarget};
use crate::testing::sample::Login;

cases! { 7:
    law_7_the_events_of_a_session_are_recorded_in_order,
    law_7_every_kind_of_event_comes_back,
    law_7_who_ended_a_session_is_recorded,
    law_7_ends_by_a_login_are_recorded,
    law_7_ends_and_renewals_are_listed_in_pages_and_in_order,
}

fn event(session: &Session, kind: EventKind, second: u64) -> Event {
    Event::new(session, kind, at(second))
}

async fn law_7_the_events_of_a_session_are_recorded_in_order(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let login = Login::of("ann", "okta").at(at(1));
    let session = signed_in(store, &login).await?.session;
    signed_in(store, &Login::of("ann", "okta").at(at(1))).await?;
    store.write_tokens(token_write(&session, at(2))).await?;
    let failed = EventKind::RenewalFailed(RenewalFailure::Throttled);
    nodes.other().record(event(&session, failed, 3)).await?;
    store.touch(session.id, at(4)).await?;
    end_one(store, session.id, EndReason::RevokedByUser, at(5)).await?;
    let life = [
        event(&session, EventKind::Created, 1),
        event(&session, EventKind::Renewed, 2),
        event(&session, failed, 3),
        event(&session, EventKind::Ended(EndReason::RevokedByUser), 5),
    ];
    let recorded = nodes.other().events(session.id).await?;
    ensure_eq(recorded, life.to_vec(), "each event of this session, oldest first")
}

async fn law_7_every_kind_of_event_comes_back(nodes: Nodes) -> Outcome {
    let session = Login::of("ann", "okta").session;
    let failures = [
        RenewalFailure::Misconfigured,
        RenewalFailure::Refused,
        RenewalFailure::Throttled,
        RenewalFailure::Unavailable,
    ];
    let kinds = [EventKind::Created, EventKind::Renewed]
        .into_iter()
        .chain(EndReason::ALL.map(EventKind::Ended))
        .chain(failures.map(EventKind::RenewalFailed));
    let events: Vec<_> =
        kinds.zip(1..).map(|(kind, second)| event(&session, kind, second)).collect();
    for event in &events {
        nodes.first().record(event.clone()).await?;
    }
    let recorded = nodes.other().events(session.id).await?;
    ensure_eq(recorded, events, "each with its detail")
}

async fn law_7_who_ended_a_session_is_recorded(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let logins = [Login::of("ann", "okta"), Login::of("ann", "google"), Login::of("bob", "okta")];
    sign_in_all(store, &logins).await?;
    let [laptop, phone, other] = &logins;
    // Quotes, backslashes and any script: nothing of it is a statement's.
    let names = ["alice@ops", "O'Brien \\' \"; --", "администратор 管理者 🛂"];
    for (name, second) in names.into_iter().zip(10..) {
        let actor = Actor::new(name).map_err(|error| Violation::new(error.to_string()))?;
        let login = Login::of("cleo", "okta");
        signed_in(store, &login).await?;
        let target = EndTarget::One { id: login.id(), user: None };
        store.end(target, EndCause::by_admin(actor.clone()), at(second)).await?;
        let ended = EventKind::Ended(EndReason::RevokedByAdmin);
        let expected = event(&login.session, ended, second).by(Some(actor.clone()));
        let last = nodes.other().events(login.id()).await?.pop();
        ensure_eq(last, Some(expected.clone()), "with the name, byte for byte")?;
        let noted = event(&login.session, EventKind::Renewed, 99).by(Some(actor));
        store.record(noted.clone()).await?;
        let last = nodes.other().events(login.id()).await?.pop();
        ensure_eq(last, Some(noted), "an event that is recorded by itself keeps its actor")?;
    }
    let actor = Actor::new("alice@ops").map_err(|error| Violation::new(error.to_string()))?;
    let all = EndTarget::AllOf { user: laptop.session.user.clone(), provider: None };
    store.end(all, EndCause::by_admin(actor.clone()), at(30)).await?;
    for login in [laptop, phone] {
        let last = nodes.other().events(login.id()).await?.pop();
        let last = last.and_then(|event| event.actor);
        ensure_eq(last, Some(actor.clone()), "each of several ends has it")?;
    }
    end_one(store, other.id(), EndReason::SignedOut, at(31)).await?;
    let events = nodes.other().events(other.id()).await?;
    ensure(events.iter().all(|event| event.actor.is_none()), "where none was given, there is none")
}

async fn law_7_ends_by_a_login_are_recorded(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let [evicted, superseded] = [Login::of("ann", "okta"), Login::of("ann", "google")];
    signed_in(store, &evicted).await?;
    signed_in(store, &superseded).await?;
    let new = Login::of("ann", "okta").at(at(60)).superseding(superseded.digest());
    sign_in(store, &new, &capped(1, OnFull::EvictOldest)?).await?;
    for (login, reason) in [(&evicted, EndReason::Evicted), (&superseded, EndReason::Superseded)] {
        let last = store.events(login.id()).await?.pop();
        let expected = event(&login.session, EventKind::Ended(reason), 60);
        ensure_eq(last, Some(expected), "with its reason and time")?;
    }
    let created = store.events(new.id()).await?;
    ensure_eq(
        created,
        vec![event(&new.session, EventKind::Created, 60)],
        "the admission is recorded",
    )
}

async fn law_7_ends_and_renewals_are_listed_in_pages_and_in_order(nodes: Nodes) -> Outcome {
    let logins: Vec<_> = (0..8).map(|_| Login::of("ann", "okta")).collect();
    sign_in_all(nodes.first(), &logins).await?;
    // Two changes at each second, so that ids decide.
    let mut expected = Vec::new();
    for (login, second) in logins.iter().zip(0_u64..) {
        let (reason, at) = (EndReason::RevokedByUser, at(10 + second / 2));
        let kind = if second == 4 { EventKind::Renewed } else { EventKind::Ended(reason) };
        match kind {
            EventKind::Renewed => {
                nodes.first().write_tokens(token_write(&login.session, at)).await?;
            }
            _ => drop(end_one(nodes.first(), login.id(), reason, at).await?),
        }
        expected.push((at, login.id(), kind));
    }
    let failed = EventKind::RenewalFailed(RenewalFailure::Throttled);
    let other = Login::of("ann", "okta").session;
    nodes.first().record(event(&other, failed, 12)).await?;
    expected.retain(|(time, ..)| *time >= at(11));
    let mut found: Vec<Change> = Vec::new();
    loop {
        let after = found.last().map(|change| change.position);
        let page = nodes.other().list_changes(ChangesQuery::new(at(11), 2).after(after)).await?;
        ensure(page.len() <= 2, "a page is within the limit")?;
        if page.is_empty() {
            break;
        }
        found.extend(page);
        ensure(found.len() < 100, "the pages come to an end")?;
    }
    ensure(found.is_sorted_by_key(|change| change.position), "in the order of their positions")?;
    let key = |change: &Change| (change.position.at, change.session, change.kind);
    let mut found: Vec<_> = found.iter().map(key).collect();
    found.sort_unstable_by_key(|(at, id, _)| (*at, *id));
    expected.sort_unstable_by_key(|(at, id, _)| (*at, *id));
    ensure_eq(found, expected, "each end and renewal since the moment once, and nothing else")
}
