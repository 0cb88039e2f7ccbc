//! Tests of the layer, by topic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod activity;
mod answers;
mod binding;
mod cache;
mod configuration;
mod connections;
mod cookies;
mod devices;
#[cfg(feature = "dpop")]
mod dpop;
mod ended;
mod extractors;
mod interop;
mod legacy;
mod order;
mod outage;
mod outgoing;
#[cfg(feature = "dpop")]
#[path = "../../../session-core/tests/openid/proof.rs"]
#[allow(unreachable_pub, reason = "the tests of the core use it too")]
mod proof;
mod redaction;
mod several;
mod sign_in;
mod site;
mod stack;
mod streams;
mod tokens;
mod tools;
