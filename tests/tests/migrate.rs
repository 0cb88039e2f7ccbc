//! `session-migrate`, except for whole moves, which need the built command and stand beside it.

mod migrate_change;
mod migrate_prune;
mod migrate_source;
mod migrate_step;
