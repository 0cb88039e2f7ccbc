//! Tests of the layer, by topic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod activity;
mod binding;
mod cache;
mod configuration;
mod cookies;
mod ended;
mod extractors;
mod interop;
mod legacy;
mod outage;
mod redaction;
mod several;
mod sign_in;
mod site;
mod stack;
mod streams;
mod tokens;
