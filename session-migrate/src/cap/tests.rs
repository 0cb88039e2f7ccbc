//! Ranks, compared with a naive model and with Open WebUI's rule.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;
use session_core::policy::Rule;
use session_core::{EndReason, SessionPolicy, Timestamp};

use super::{Candidate, Cap, Count, RankKey, rank};
use crate::sql::Cell;

fn at_most(max: u32) -> Cap {
    Cap::max_sessions(NonZeroU32::new(max).unwrap())
}

fn row(id: &str, created: Option<i64>) -> Candidate {
    Candidate {
        user: "ann".to_owned(),
        provider: "google".to_owned(),
        account: None,
        client: None,
        is_usable: true,
        newest: created.map(Timestamp::from_millis),
        key: RankKey::new(&[Cell::Text(id.to_owned())]),
    }
}

fn kept(cap: &Cap, rows: &[Candidate]) -> Vec<bool> {
    rank(cap, rows).iter().map(super::Rank::is_kept).collect()
}

#[test]
fn no_cap_prunes_nothing() {
    let rows: Vec<Candidate> = (0..50).map(|at| row(&at.to_string(), Some(at))).collect();
    assert!(kept(&Cap::none(), &rows).iter().all(|is_kept| *is_kept));
}

#[test]
fn a_row_without_a_time_is_the_oldest() {
    let rows = [row("z", None), row("a", Some(-5)), row("b", Some(0))];
    assert_eq!(kept(&at_most(2), &rows), [false, true, true]);
    let places: Vec<usize> = rank(&at_most(1), &rows).iter().map(|rank| rank.place).collect();
    assert_eq!(places, [3, 2, 1]);
}

#[test]
fn an_unusable_row_never_displaces_a_usable_one() {
    let unusable = |id, at| Candidate { is_usable: false, ..row(id, Some(at)) };
    let rows = [row("a", Some(1)), unusable("b", 9), row("c", Some(2)), unusable("d", 8)];
    assert_eq!(kept(&at_most(1), &rows), [false, false, true, false]);
    assert_eq!(kept(&at_most(3), &rows), [true, true, true, false]);
    let all = at_most(2).count(Count::All);
    assert_eq!(kept(&all, &rows), [false, true, false, true]);
}

#[test]
fn partitions_are_compared_byte_for_byte() {
    let with = |user: &str, provider: &str, account: Option<&str>| Candidate {
        user: user.to_owned(),
        provider: provider.to_owned(),
        account: account.map(str::to_owned),
        ..row("k", Some(1))
    };
    let rows = [
        with("ann", "google", None),
        with("ann", "Google", None),
        with("ann", "google ", None),
        with("Ann", "google", None),
        with("ann", "google", Some("1")),
        with("ann", "google", Some("")),
    ];
    assert!(kept(&at_most(1), &rows).iter().all(|is_kept| *is_kept));
}

#[test]
fn each_provider_has_the_limit_and_the_reason_of_its_rule() {
    let policy = SessionPolicy::builder().max_sessions(2);
    let policy = policy.rule(Rule::for_provider("mcp:*").replace()).build().unwrap();
    let mcp = |id: &str, at| Candidate { provider: "mcp:docs".to_owned(), ..row(id, Some(at)) };
    let odd = |id: &str, at| Candidate { provider: String::new(), ..row(id, Some(at)) };
    let rows = [
        row("a", Some(1)),
        row("b", Some(2)),
        row("c", Some(3)),
        mcp("d", 1),
        mcp("e", 2),
        odd("f", 1),
        odd("g", 1),
        odd("h", 1),
    ];
    let left: Vec<Option<EndReason>> =
        rank(&Cap::from_policy(policy), &rows).iter().map(|rank| rank.leaves).collect();
    let expected = [(0, EndReason::Evicted), (3, EndReason::Replaced)];
    for (at, leaves) in left.iter().enumerate() {
        let known = expected.iter().find(|(row, _)| *row == at).map(|(_, reason)| *reason);
        assert_eq!(*leaves, known, "{at}");
    }
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0..2_u8, 0..3_u8, 0..3_u8, any::<bool>(), proptest::option::of(0..4_i64));
    proptest::collection::vec(one, 0..40).prop_map(|rows| {
        (0_i64..)
            .zip(rows)
            .map(|(id, (user, provider, account, is_usable, newest))| Candidate {
                user: ["ann", "Ann"][usize::from(user)].to_owned(),
                provider: ["okta", "okta ", "mcp:x"][usize::from(provider)].to_owned(),
                account: [None, Some("1"), Some("2")][usize::from(account)].map(str::to_owned),
                client: None,
                is_usable,
                newest: newest.map(Timestamp::from_millis),
                key: RankKey::new(&[Cell::Integer(id * 7 % 41)]),
            })
            .collect()
    })
}

/// Sorts each partition, the first to be kept first, and truncates it.
fn naive(rows: &[Candidate], max: usize, count: Count) -> Vec<bool> {
    let mut partitions: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let key = (row.user.clone(), row.provider.clone(), row.account.clone());
        partitions.entry(key).or_default().push(at);
    }
    let mut kept = vec![false; rows.len()];
    for mut members in partitions.into_values() {
        members.sort_by_key(|at| {
            let row = &rows[*at];
            let usable = row.is_usable || count == Count::All;
            std::cmp::Reverse((
                usable,
                row.newest.map_or(i64::MIN, Timestamp::as_millis),
                row.key.clone(),
            ))
        });
        for at in members.into_iter().take(max) {
            kept[at] = true;
        }
    }
    kept
}

proptest! {
    #[test]
    fn ranks_are_those_of_the_naive_model(rows in candidates(), max in 1..5_u32) {
        for count in [Count::Usable, Count::All] {
            let model = naive(&rows, max as usize, count);
            prop_assert_eq!(&kept(&at_most(max).count(count), &rows), &model);
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(rows in candidates(), max in 1..4_u32) {
        let (cap, mut turned) = (at_most(max), rows.clone());
        turned.reverse();
        let mut expected = rank(&cap, &turned);
        expected.reverse();
        prop_assert_eq!(rank(&cap, &rows), expected);
    }

    #[test]
    fn what_is_kept_stays_kept(rows in candidates(), max in 1..4_u32) {
        let cap = at_most(max);
        let first = kept(&cap, &rows);
        let left: Vec<Candidate> =
            rows.iter().zip(first).filter(|(_, kept)| *kept).map(|(row, _)| row.clone()).collect();
        prop_assert!(kept(&cap, &left).iter().all(|is_kept| *is_kept));
    }

    /// `sorted(sessions, key=created_at, reverse=True)[MAX - 1:]` before a login, then one row.
    #[test]
    fn victims_are_those_of_open_webui(
        moments in proptest::collection::btree_set(0..1000_i64, 1..30),
        shift in 0..30_usize,
        max in 1..12_usize,
    ) {
        let mut moments: Vec<i64> = moments.into_iter().collect();
        let by = shift % moments.len();
        moments.rotate_left(by);
        let rows: Vec<Candidate> =
            moments.iter().map(|at| row(&format!("{}", at * 7919 % 1009), Some(*at))).collect();
        let login = *moments.iter().max().unwrap();
        let mut before: Vec<i64> = moments.iter().copied().filter(|at| *at != login).collect();
        before.sort_by_key(|at| std::cmp::Reverse(*at));
        let victims = before.split_off((max - 1).min(before.len()));
        let cap = at_most(u32::try_from(max).unwrap()).count(Count::All);
        for (at, is_kept) in moments.iter().zip(kept(&cap, &rows)) {
            prop_assert_eq!(is_kept, !victims.contains(at));
        }
    }
}
