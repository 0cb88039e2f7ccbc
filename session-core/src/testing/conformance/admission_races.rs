//! Law 1 under races: the cap holds, and exactly the sessions that the policy names end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::kit::{
    Asked, Nodes, Outcome, admit_asked, at, capped, ended_ids, ensure, ensure_eq, ids, limited,
    live_sessions, sorted, stored,
};
use crate::policy::{Limit, OnFull, SessionPolicy, Verdict};
use crate::session::{EndReason, SessionId};
use crate::store::{Admission, EndedSession};
use crate::testing::sample::{self, Login};

cases! { 1:
    law_1_admit_never_exceeds_the_cap,
    law_1_least_recently_used_races_hold_the_cap,
    law_1_refusing_races_fill_the_partition,
    law_1_replacing_races_leave_one,
    law_1_races_of_many_users_do_not_mix,
    law_1_clocks_that_differ_change_no_order_in_a_race,
}

const LOGINS: u64 = 64;
const CAP: usize = 10;

/// The outcomes of the logins of one race.
struct Race {
    results: Vec<(Admission, Asked)>,
}

impl Race {
    async fn run(nodes: &Nodes, logins: Vec<Login>, policy: SessionPolicy) -> Outcome<Self> {
        let policy = Arc::new(policy);
        let task = move |node: Arc<dyn crate::store::SessionStore>, login: Login| {
            let policy = Arc::clone(&policy);
            async move { admit_asked(&*node, &login, &policy).await }
        };
        Ok(Self { results: nodes.at_once(logins, task).await? })
    }

    fn ended(&self) -> impl Iterator<Item = &EndedSession> {
        let ended = self.results.iter().filter_map(|(admission, _)| match admission {
            Admission::Admitted { ended } => Some(ended),
            Admission::Refused { .. } => None,
        });
        ended.flatten()
    }

    /// Checks that each call ended exactly what its verdict named, and that no session ended twice.
    fn ensure_verdicts_were_carried_out(&self) -> Outcome {
        for (admission, asked) in &self.results {
            let (Admission::Admitted { ended }, Some(Verdict::Admit(leaving))) =
                (admission, &asked.verdict)
            else {
                continue;
            };
            let named = sorted(leaving.iter().map(|departure| departure.id).collect());
            ensure_eq(ended_ids(ended), named, "exactly the sessions that the policy names end")?;
        }
        let distinct: BTreeSet<SessionId> = self.ended().map(|ended| ended.id).collect();
        ensure_eq(distinct.len(), self.ended().count(), "no session ends twice")
    }

    /// Returns the order of admission, as all calls together saw it.
    async fn order(&self, nodes: &Nodes, like: &Login) -> Outcome<BTreeMap<u64, SessionId>> {
        let left = live_sessions(nodes.first(), like).await?;
        let seen = self.results.iter().flat_map(|(_, asked)| &asked.present).chain(&left);
        let mut places: HashMap<SessionId, u64> = HashMap::new();
        for occupant in seen {
            let known = places.insert(occupant.id, occupant.admission);
            let same = known.is_none_or(|known| known == occupant.admission);
            ensure(same, "a session keeps its order")?;
        }
        let count = places.len();
        let order: BTreeMap<_, _> = places.into_iter().map(|(id, place)| (place, id)).collect();
        ensure_eq(order.len(), count, "no two sessions have the same order")?;
        Ok(order)
    }
}

async fn live(nodes: &Nodes, login: &Login) -> Outcome<Vec<SessionId>> {
    Ok(sorted(ids(&nodes.first().list(&login.session.user).await?)))
}

async fn ensure_oldest_left(nodes: &Nodes, race: &Race, like: &Login, cap: usize) -> Outcome {
    let order = race.order(nodes, like).await?;
    let last = sorted(order.values().rev().take(cap).copied().collect());
    ensure_eq(live(nodes, like).await?, last, "the last admitted sessions stay")
}

async fn law_1_admit_never_exceeds_the_cap(nodes: Nodes) -> Outcome {
    let logins: Vec<_> = (0..LOGINS).map(|_| Login::of("ann", "okta")).collect();
    let race = Race::run(&nodes, logins, capped(10, OnFull::EvictOldest)?).await?;
    race.ensure_verdicts_were_carried_out()?;
    let over = race.results.iter().map(|(_, asked)| asked.present.len()).max();
    ensure(over <= Some(CAP), "the cap is exceeded at no moment (F17)")?;
    let like = Login::of("ann", "okta");
    ensure_eq(live(&nodes, &like).await?.len(), CAP, "the partition is full")?;
    ensure_oldest_left(&nodes, &race, &like, CAP).await?;
    for ended in race.ended() {
        let row = stored(nodes.other(), ended.id).await?;
        let reason = row.session.ended.map(|ended| ended.reason);
        ensure_eq(reason, Some(EndReason::Evicted), "the ended sessions were evicted")?;
    }
    Ok(())
}

async fn law_1_least_recently_used_races_hold_the_cap(nodes: Nodes) -> Outcome {
    let last_use = |number: u64| at(number * 37 % LOGINS);
    let logins: Vec<_> =
        (0..LOGINS).map(|n| Login::of("ann", "okta").last_seen(last_use(n))).collect();
    let policy = capped(10, OnFull::EvictLeastRecentlyUsed)?;
    let race = Race::run(&nodes, logins.clone(), policy).await?;
    race.ensure_verdicts_were_carried_out()?;
    let live = live(&nodes, &Login::of("ann", "okta")).await?;
    ensure_eq(live.len(), CAP, "the cap holds, and the partition is full")?;
    ensure_eq(race.ended().count() + CAP, logins.len(), "all others ended")
}

async fn law_1_refusing_races_fill_the_partition(nodes: Nodes) -> Outcome {
    let logins: Vec<_> = (0..LOGINS).map(|_| Login::of("ann", "okta")).collect();
    let race = Race::run(&nodes, logins.clone(), capped(10, OnFull::Reject)?).await?;
    let mut admitted = Vec::new();
    for (login, (admission, _)) in logins.iter().zip(&race.results) {
        match admission {
            Admission::Admitted { .. } => admitted.push(login.id()),
            Admission::Refused { live } => {
                ensure_eq(*live, CAP, "ten sessions fill the partition")?
            }
        }
    }
    ensure_eq(race.ended().count(), 0, "a cap that refuses ends no session")?;
    let live = live(&nodes, &Login::of("ann", "okta")).await?;
    ensure_eq(live.len(), CAP, "the partition is full")?;
    ensure_eq(live, sorted(admitted), "exactly the admitted sessions are live")
}

async fn law_1_replacing_races_leave_one(nodes: Nodes) -> Outcome {
    let like = Login::of("ann", "mcp:tool").connection();
    let logins = (0..LOGINS).map(|_| Login::of("ann", "mcp:tool").connection()).collect();
    let race = Race::run(&nodes, logins, limited(Limit::Replace)?).await?;
    race.ensure_verdicts_were_carried_out()?;
    ensure(race.ended().all(|e| e.reason == EndReason::Replaced), "the others were replaced")?;
    ensure_oldest_left(&nodes, &race, &like, 1).await
}

async fn law_1_races_of_many_users_do_not_mix(nodes: Nodes) -> Outcome {
    let users: Vec<String> = (0..8).map(|number| format!("user-{number}")).collect();
    let names = users.iter().cycle().take(64);
    let logins = names.map(|user| Login::of(user, "okta")).collect();
    let race = Race::run(&nodes, logins, capped(2, OnFull::EvictOldest)?).await?;
    race.ensure_verdicts_were_carried_out()?;
    for user in &users {
        let live = nodes.other().list(&sample::user(user)).await?.len();
        ensure_eq(live, 2, "the cap holds for each user")?;
    }
    ensure_eq(race.ended().count(), 64 - 16, "all others ended")
}

async fn law_1_clocks_that_differ_change_no_order_in_a_race(nodes: Nodes) -> Outcome {
    // Every second login is made on a node whose clock is a minute behind.
    let moment = |number: u64| if number.is_multiple_of(2) { at(60) } else { at(0) };
    let logins = (0..LOGINS).map(|n| Login::of("ann", "okta").at(moment(n))).collect();
    let race = Race::run(&nodes, logins, capped(10, OnFull::EvictOldest)?).await?;
    race.ensure_verdicts_were_carried_out()?;
    ensure_oldest_left(&nodes, &race, &Login::of("ann", "okta"), CAP).await
}
