//! The session manager: where clock, policy, store and provider meet.

mod builder;
mod end;
mod error;
mod flight;
mod gate;
mod inner;
mod lease;
mod list;
mod live;
mod maintenance;
mod observe;
mod outbox;
mod persist;
mod presence;
mod renewal;
mod reseal;
mod resolve;
mod rotate;
mod shutdown;
mod sign_in;
mod tasks;
mod token;
mod watch;

pub use builder::ManagerBuilder;
pub use error::{ManagerError, ManagerErrorKind, StartError, TokenError, TokenErrorKind};
pub use inner::SessionManager;
pub use list::ListedSession;
pub use live::{LiveSession, Validity};
pub use maintenance::{Maintenance, Purged};
pub use observe::CacheInvalidation;
pub use outbox::WorkedOff;
pub use presence::EndedSignal;
pub use reseal::Resealed;
pub use resolve::Resolution;
pub use rotate::Rotated;
pub use sign_in::{Connected, SignIn, SignedIn};
