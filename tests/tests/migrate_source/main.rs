//! Sources built by each project's own schema, with what goes wrong in real ones, on every
//! database that the project runs on; and the real ones that are beside the workspace in CI.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod authjs;
mod batches;
mod better_auth;
mod django;
mod dump;
mod fixtures;
mod mapping;
mod openwebui;
mod rows;
mod sealed;
mod source;
mod write_back;
