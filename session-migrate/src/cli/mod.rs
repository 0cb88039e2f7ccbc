//! The command's words that have a file of their own.

pub(crate) mod inspect;
