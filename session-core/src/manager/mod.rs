//! The session manager: where clock, policy, store and provider meet.
//!
//! Each file calls only what stands below it. From the top: the builder; the calls of
//! [`SessionManager`], one file per topic; `maintenance`, `live` and `renewal`; `row`, which reads
//! and ends rows for all of them; and `manager`, which holds the parts together.

mod builder;
mod claim;
mod end;
mod error;
mod list;
pub(crate) mod live;
mod maintenance;
#[expect(clippy::module_inception, reason = "the manager itself, below the files of its calls")]
mod manager;
mod notices;
mod peak;
mod record;
mod renewal;
mod resolve;
mod rotate;
mod row;
mod sign_in;
mod stats;
mod step_up;
mod store_health;
mod tasks;
mod token;
mod unclaimed;

pub use builder::{IntoShared, ManagerBuilder};
pub use claim::Claimed;
pub(crate) use end::sign_out_presented;
pub use error::{ManagerError, ManagerErrorKind, StartError, TokenError, TokenErrorKind};
pub use list::ListedSession;
pub use live::{EndedSignal, LiveSession};
pub use maintenance::{Maintenance, PurgeReport, ResealReport, RevocationReport};
pub use manager::SessionManager;
pub(crate) use record::{open_record, seal_record};
pub use resolve::Resolution;
pub(crate) use resolve::resolve;
pub use rotate::Rotation;
pub use sign_in::{Connected, SignIn, SignedIn};
pub use stats::ManagerStats;
pub use step_up::{StepUp, StepUpOutcome};
pub(crate) use token::{check_token, resource_token, with_valid_token};
