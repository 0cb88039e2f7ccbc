//! The layer, by topic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod activity;
mod anonymous;
mod binding;
mod configuration;
mod cookies;
mod ended;
mod extractors;
mod fill;
mod legacy;
mod outage;
mod redaction;
mod servers;
mod several;
mod sign_in;
mod site;
mod stack;
mod streams;
mod tokens;
