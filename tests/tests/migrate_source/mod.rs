//! Reading and writing back of sources: the tables of each project, with what goes wrong in real
//! ones, and databases that the projects created themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod authjs;
mod batches;
mod better_auth;
mod django;
mod fixtures;
mod mapping;
mod openwebui;
mod rows;
mod sealed;
mod write_back;
