//! An invalid configuration is refused, by the name of its field.

use std::time::Duration;

use crate::policy::{Limit, OnFull, PolicyBuilder, Rule, SessionPolicy, Timeouts};
use crate::session::ProviderName;

const SECOND: Duration = Duration::from_secs(1);

/// The field that a policy is refused for.
#[track_caller]
fn refused(builder: PolicyBuilder) -> &'static str {
    let error = builder.build().unwrap_err();
    assert!(error.to_string().starts_with(error.field()), "{error} names its field");
    error.field()
}

fn policy() -> PolicyBuilder {
    SessionPolicy::builder()
}

fn rule(pattern: &str) -> Rule {
    Rule::for_provider(pattern)
}

#[test]
fn f20_a_cap_of_zero_is_refused() {
    assert_eq!(refused(policy().max_sessions(0)), "max_sessions");
    assert_eq!(refused(policy().rule(rule("okta").max_sessions(0))), "max_sessions");
    assert!(policy().max_sessions(1).build().is_ok());
    assert!(policy().max_sessions(0).unlimited().build().is_ok(), "the last word counts");
}

#[test]
fn t1_timeouts_of_zero_are_refused() {
    assert_eq!(refused(policy().idle_timeout(Duration::ZERO)), "idle_timeout");
    assert_eq!(refused(policy().absolute_timeout(Duration::ZERO)), "absolute_timeout");
    let idle = rule("okta").idle_timeout(Duration::ZERO);
    assert_eq!(refused(policy().rule(idle)), "idle_timeout");
    let absolute = rule("okta").absolute_timeout(Duration::ZERO);
    assert_eq!(refused(policy().rule(absolute)), "absolute_timeout");
}

#[test]
fn a_touch_interval_above_a_quarter_of_the_idle_timeout_is_refused() {
    let idle = policy().idle_timeout(SECOND * 40);
    assert!(idle.clone().touch_interval(SECOND * 10).build().is_ok());
    let over = SECOND * 10 + Duration::from_millis(1);
    assert_eq!(refused(idle.touch_interval(over)), "touch_interval");
    // The shortest idle timeout counts, whichever rule has it.
    let rules = policy().rule(rule("kiosk").idle_timeout(SECOND * 4)).touch_interval(SECOND * 2);
    assert_eq!(refused(rules), "touch_interval");
    let none = policy().without_idle_timeout().touch_interval(SECOND * 1_000_000);
    assert!(none.build().is_ok(), "without idle timeout there is nothing to outlive");
}

#[test]
fn the_touch_interval_follows_the_shortest_idle_timeout() {
    let interval = |builder: PolicyBuilder| builder.build().unwrap().touch_interval();
    assert_eq!(interval(policy()), SECOND * 300);
    assert_eq!(interval(policy().idle_timeout(SECOND * 600)), SECOND * 60);
    assert_eq!(interval(policy().idle_timeout(SECOND * 40)), SECOND * 10);
    let kiosk = policy().rule(rule("kiosk").idle_timeout(SECOND * 4));
    assert_eq!(interval(kiosk), SECOND);
}

#[test]
fn f30_no_concurrent_renewals_are_refused() {
    assert_eq!(refused(policy().max_concurrent_renewals(0)), "max_concurrent_renewals");
    let policy = policy().max_concurrent_renewals(3).build().unwrap();
    assert_eq!(policy.renewal().max_concurrent.get(), 3);
}

#[test]
fn f5_a_lease_term_that_timeouts_could_use_up_is_refused() {
    let slow = policy().provider_timeout(SECOND * 25);
    assert_eq!(refused(slow.clone()), "lease_term");
    assert!(slow.lease_term(SECOND * 50).build().is_ok());
    assert_eq!(refused(policy().lease_term(Duration::ZERO)), "lease_term");
    let patient = policy().store_timeout(SECOND * 6);
    assert_eq!(refused(patient.clone()), "lease_term");
    assert!(patient.lease_term(SECOND * 48).build().is_ok());
    assert_eq!(refused(policy().provider_timeout(Duration::MAX)), "lease_term");
}

#[test]
fn spans_of_zero_that_would_stop_everything_are_refused() {
    assert_eq!(refused(policy().provider_timeout(Duration::ZERO)), "provider_timeout");
    assert_eq!(refused(policy().assumed_lifetime(Duration::ZERO)), "assumed_lifetime");
    assert_eq!(refused(policy().store_timeout(Duration::ZERO)), "store_timeout");
}

#[test]
fn spans_of_zero_that_mean_immediately_are_accepted() {
    let policy = policy()
        .max_staleness(Duration::ZERO)
        .touch_interval(Duration::ZERO)
        .renewal_leeway(Duration::ZERO)
        .renewal_jitter(Duration::ZERO)
        .min_renewal_interval(Duration::ZERO)
        .max_renewal_wait(Duration::ZERO)
        .retention(Duration::ZERO);
    assert!(policy.build().is_ok());
}

#[test]
fn malformed_patterns_are_refused() {
    for pattern in ["", "*:github", "mcp:*:x", "**", "a*b", "*a*"] {
        assert_eq!(refused(policy().rule(rule(pattern))), "rule", "{pattern:?}");
    }
    for pattern in ["*", "mcp:*", "okta", " ", "é*"] {
        assert!(policy().rule(rule(pattern)).build().is_ok(), "{pattern:?}");
    }
}

#[test]
fn two_rules_of_one_pattern_are_refused() {
    let twice = policy().rule(rule("mcp:*").replace()).rule(rule("mcp:*").unlimited());
    assert_eq!(refused(twice), "rule");
    let apart = policy().rule(rule("mcp:*")).rule(rule("okta")).rule(rule("mcp:*").replace());
    assert_eq!(refused(apart), "rule", "wherever they stand");
    let different = policy().rule(rule("mcp:*")).rule(rule("mcp:")).rule(rule("Mcp:*"));
    assert!(different.build().is_ok());
}

#[test]
fn t2_the_defaults_are_ten_sessions_a_week_and_thirty_days() {
    let policy = policy().build().unwrap();
    let okta = ProviderName::new("okta").unwrap();
    let Limit::AtMost { max, on_full } = policy.limit(&okta) else { panic!("a cap") };
    assert_eq!((max.get(), on_full), (10, OnFull::EvictOldest));
    let day = SECOND * 24 * 3600;
    let expected = Timeouts { idle: Some(day * 7), absolute: Some(day * 30) };
    assert_eq!(policy.timeouts(&okta), expected);
}

#[test]
fn the_shortest_timeouts_are_those_of_any_rule() {
    let policy = policy()
        .without_idle_timeout()
        .rule(rule("a").idle_timeout(SECOND * 8))
        .rule(rule("b").idle_timeout(SECOND * 9).absolute_timeout(SECOND * 5))
        .build()
        .unwrap();
    let expected = Timeouts { idle: Some(SECOND * 8), absolute: Some(SECOND * 5) };
    assert_eq!(policy.shortest_timeouts(), expected);
}
