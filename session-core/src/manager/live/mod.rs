//! Live sessions in this process: what a cache may keep of one, and what the process knows beside
//! its row.

pub(super) mod announcer;
pub(super) mod follower;
mod invalidation;
mod local_state;
mod session;
mod watch_queue;
pub(super) mod watcher;

pub use invalidation::CacheInvalidation;
pub(super) use invalidation::CacheRegistry;
pub use local_state::EndedSignal;
pub(super) use local_state::{LocalState, LocalStates};
pub use session::LiveSession;
pub(super) use session::ReadSession;
pub use session::Validity;
pub(super) use session::{renew_beside, renew_if_due};
pub(crate) use session::{revalidate, touch};
