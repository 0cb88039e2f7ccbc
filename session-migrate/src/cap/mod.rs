//! Which rows of a source are kept under a cap: the same decision as at login, over rows.
//!
//! Pure: facts in, standings out. The limits are those of a [`SessionPolicy`], and its own function
//! says who leaves; what is newer, over what a cap counts and which rows count is said here.
//!
//! | word | meaning |
//! |---|---|
//! | [`Cap`] | the limits, the partition, what is newer, which rows count |
//! | [`Candidate`] | a row as far as its rank depends on it; [`Candidates`] makes them of rows |
//! | [`standings`] | each row's place in its partition, and whether it leaves |
//!
//! # Example: three rows, two places
//!
//! ```
//! use session_core::Timestamp;
//! use session_migrate::cap::{Candidate, Cap, RankKey, standings};
//! use session_migrate::source::Cell;
//!
//! let row = |id, at| Candidate {
//!     user: "ann".to_owned(),
//!     provider: "google".to_owned(),
//!     account: None,
//!     is_usable: true,
//!     newest: Some(Timestamp::from_millis(at)),
//!     key: RankKey::new(&[Cell::Integer(id)]),
//! };
//! let cap = Cap::max_sessions(2.try_into().unwrap());
//! // Two of one moment: the higher id is the newer.
//! let standings = standings(&cap, &[row(9, 5), row(10, 5), row(1, 7)]);
//! let kept: Vec<bool> = standings.iter().map(|standing| standing.is_kept()).collect();
//! assert_eq!(kept, [false, true, true]);
//! ```
//!
//! [`SessionPolicy`]: session_core::SessionPolicy

mod candidate;
mod file;
mod key;
mod note;
mod rank;
mod settings;
mod words;

pub use candidate::{Candidate, Candidates};
pub use key::RankKey;
pub(crate) use note::CapNote;
pub use rank::{Standing, standings};
pub use settings::Cap;
pub use words::{Count, MissingMoment, PartitionBy, UnknownWord};

#[cfg(test)]
mod tests;
