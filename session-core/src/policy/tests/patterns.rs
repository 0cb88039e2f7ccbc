//! Which rule decides for a provider.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use crate::policy::rule::{is_pattern, matches_pattern, specificity};
use crate::policy::{Limit, OnFull, Rule, SessionPolicy, Timeouts};
use crate::session::ProviderName;

fn names() -> impl Strategy<Value = String> {
    "[a-c:]{1,5}"
}

fn patterns() -> impl Strategy<Value = String> {
    "[a-c:]{0,4}[a-c:*]".prop_map(|text| text)
}

fn max(policy: &SessionPolicy, provider: &str) -> Option<u32> {
    match policy.limit(&ProviderName::new(provider).unwrap()) {
        Limit::AtMost { max, .. } => Some(max.get()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_most_specific_matching_pattern_decides(
        patterns in prop::collection::hash_set(patterns(), 0..8), name in names(),
    ) {
        let patterns: Vec<String> = patterns.into_iter().collect();
        let numbered = || patterns.iter().zip(1_u32..);
        let builder = SessionPolicy::builder().max_sessions(1_000);
        let policy = numbered().fold(builder, |builder, (pattern, number)| {
            builder.rule(Rule::for_provider(pattern).max_sessions(number))
        });
        // An exact name before all patterns, then the longest prefix.
        let beginning = |pattern: &str| {
            let fits = pattern.strip_suffix('*').is_some_and(|b| name.starts_with(b));
            fits.then_some(pattern.len())
        };
        let whole = numbered().find(|(pattern, _)| **pattern == name);
        let longest = numbered()
            .filter(|(pattern, _)| beginning(pattern).is_some())
            .max_by_key(|(pattern, _)| beginning(pattern));
        let expected = whole.or(longest).map_or(1_000, |(_, number)| number);
        prop_assert_eq!(max(&policy.build().unwrap(), &name), Some(expected));
    }

    #[test]
    fn a_pattern_matches_its_prefix_and_a_name_matches_itself(one in names(), other in names()) {
        prop_assert_eq!(matches_pattern(&one, &other), one == other);
        prop_assert_eq!(matches_pattern(&format!("{one}*"), &other), other.starts_with(&one));
        prop_assert!(matches_pattern("*", &other));
        let beginning = format!("{other}*");
        prop_assert!(specificity(&one) > specificity(&beginning));
    }

    #[test]
    fn a_star_is_at_the_end_or_nowhere(text in "[a*]{0,6}") {
        let inner = text.chars().rev().skip(1).any(|c| c == '*');
        prop_assert_eq!(is_pattern(&text), !text.is_empty() && !inner);
    }
}

#[test]
fn what_a_rule_leaves_unset_is_taken_from_the_policy() {
    let hour = Duration::from_secs(3600);
    let policy = SessionPolicy::builder()
        .max_sessions(5)
        .on_full(OnFull::Reject)
        .idle_timeout(hour)
        .absolute_timeout(hour * 10)
        .rule(Rule::for_provider("mcp:*").replace().without_idle_timeout())
        .rule(Rule::for_provider("okta").max_sessions(2))
        .rule(Rule::for_provider("lru").on_full(OnFull::EvictLeastRecentlyUsed))
        .build()
        .unwrap();
    let provider = |name| ProviderName::new(name).unwrap();
    let at_most = |max, on_full| Limit::AtMost { max: NonZeroU32::new(max).unwrap(), on_full };
    assert_eq!(policy.limit(&provider("mcp:github")), Limit::Replace);
    assert_eq!(policy.limit(&provider("okta")), at_most(2, OnFull::Reject));
    assert_eq!(policy.limit(&provider("lru")), at_most(5, OnFull::EvictLeastRecentlyUsed));
    assert_eq!(policy.limit(&provider("google")), at_most(5, OnFull::Reject));
    let expected = Timeouts { idle: None, absolute: Some(hour * 10) };
    assert_eq!(policy.timeouts(&provider("mcp:github")), expected);
    assert_eq!(policy.timeouts(&provider("okta")).idle, Some(hour));
}

#[test]
fn an_exact_name_matches_no_other_name() {
    let rule = Rule::for_provider("okta").max_sessions(3);
    let policy = SessionPolicy::builder().rule(rule).build().unwrap();
    assert_eq!(max(&policy, "okta"), Some(3));
    for other in ["okta2", "Okta", "okta ", "mokta"] {
        assert_eq!(max(&policy, other), Some(10), "{other:?}");
    }
}
