//! The command's words and answers.

pub(crate) mod bar;
pub(crate) mod failure;
pub(crate) mod inspect;
pub(crate) mod moves;
pub(crate) mod prune;
pub(crate) mod show;
pub(crate) mod words;
