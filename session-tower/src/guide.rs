//! The guide, in the order of reading: from the first sign-in to operating many nodes.
//!
//! | chapter | what it answers |
//! |---|---|
//! | [`first_hour`] | from `cargo new` to sign-in, a protected page, a call to another service, devices, sign-out and a test |
//! | [`life_of_a_session`] | its states, what changes them, and what is stored when |
//! | [`choosing_a_policy`] | the cap, the timeouts, rules per provider, and settings for AAL1 to AAL3 |
//! | [`renewal`] | when tokens are renewed, by which process, and what each failure does |
//! | [`several_nodes`] | what nodes share, how soon one learns of another, databases with a failover |
//! | [`operating`] | metrics, the command `sessions`, keys, backups, alerts, and what to do in an incident |
//! | [`threat_model`] | what each attacker gets, and where each requirement is kept |
//! | [`testing`] | signed-in users, a clock to set, and a provider that follows a script |
//! | [`coming_from`] | tower-sessions, axum-login, huskarl-login, oauth2-proxy, Auth.js: what becomes of what |
//! | [`writing_a_provider`] | a token service of your own |
//! | [`writing_a_store`] | a database of your own |
//!
//! The code in each chapter is compiled and run as a test.
//!
//! This module holds the text only. It is there with the features `axum`, `devices`, `sign-in` and
//! `test-util`, which its examples use.

#[doc = include_str!("../docs/guide/01-first-hour.md")]
pub mod first_hour {}

#[doc = include_str!("../docs/guide/02-life-of-a-session.md")]
pub mod life_of_a_session {}

#[doc = include_str!("../docs/guide/03-choosing-a-policy.md")]
pub mod choosing_a_policy {}

#[doc = include_str!("../docs/guide/04-renewal.md")]
pub mod renewal {}

#[doc = include_str!("../docs/guide/05-several-nodes.md")]
pub mod several_nodes {}

#[doc = include_str!("../docs/guide/06-operating.md")]
pub mod operating {}

#[doc = include_str!("../docs/guide/07-threat-model.md")]
pub mod threat_model {}

#[doc = include_str!("../docs/guide/08-testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/guide/09-coming-from.md")]
pub mod coming_from {}

#[doc = include_str!("../docs/guide/10-writing-a-provider.md")]
pub mod writing_a_provider {}

#[doc = include_str!("../docs/guide/11-writing-a-store.md")]
pub mod writing_a_store {}
