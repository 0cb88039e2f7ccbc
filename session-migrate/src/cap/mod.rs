//! Decides which source rows a cap keeps: the decision that is made at login, applied to rows.
//!
//! This module is pure: facts in, ranks out. The limits are those of a [`SessionPolicy`], and the
//! policy's own function names the rows that leave. A [`Cap`] adds what only a table needs: which
//! row is the newer one, what the limit counts over, and which rows count.
//!
//! | item | meaning |
//! |---|---|
//! | [`Cap`] | the limits, the partition, the order of age, the rows that count |
//! | [`Candidate`] | the facts about a row that its rank depends on; [`CandidateReader`] reads them |
//! | [`rank`] | each row's place in its partition, and whether it leaves |
//!
//! # Example: three rows, a cap of two
//!
//! ```
//! use session_core::Timestamp;
//! use session_migrate::cap::{Candidate, Cap, RankKey, rank};
//! use session_migrate::source::Cell;
//!
//! let row = |id, at| Candidate {
//!     user: "ann".to_owned(),
//!     provider: "google".to_owned(),
//!     account: None,
//!     client: None,
//!     is_usable: true,
//!     newest: Some(Timestamp::from_millis(at)),
//!     key: RankKey::new(&[Cell::Integer(id)]),
//! };
//! let cap = Cap::max_sessions(2.try_into().unwrap());
//! // Of two rows with the same time, the one with the higher id counts as the newer one.
//! let ranks = rank(&cap, &[row(9, 5), row(10, 5), row(1, 7)]);
//! let kept: Vec<bool> = ranks.iter().map(|rank| rank.is_kept()).collect();
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

pub use candidate::{Candidate, CandidateReader};
pub use key::RankKey;
pub(crate) use note::CapNote;
pub use rank::{Rank, rank};
pub use settings::Cap;
pub use words::{Count, MissingMoment, PartitionBy, UnknownWord};

#[cfg(test)]
mod tests;
