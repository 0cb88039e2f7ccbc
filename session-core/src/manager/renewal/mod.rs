//! Renewing tokens: once per session in all processes, whatever fails meanwhile.
//!
//! `task` runs a renewal on `attempt` (what to renew, and whether it may be), `lease` (one process
//! at a time), `persist` (a rotated token is stored before it is used) and `refusal` (what
//! `invalid_grant` means). `single_flight`, `backoff`, `pauses`, `abandoned_leases` and
//! `migration_hold` are what a process remembers between renewals.

mod abandoned_leases;
mod attempt;
mod backoff;
mod lease;
mod migration_hold;
mod pauses;
mod persist;
mod refusal;
mod single_flight;
mod task;

pub(super) use abandoned_leases::AbandonedLeases;
pub(super) use attempt::RenewalReason;
pub(super) use backoff::{MAX_REQUESTED_PAUSE, ProviderBackoff};
pub(super) use migration_hold::MigrationHold;
pub(super) use pauses::Pauses;
pub(super) use single_flight::{RenewalOutcome, Renewed, SingleFlight};
pub(super) use task::{begin, begin_for};
