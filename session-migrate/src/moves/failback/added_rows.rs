//! The rows that failbacks have added to the source, as a comparison of both sides has to know them.

use std::collections::BTreeSet;

use session_core::SessionId;

use super::sign_in::SignInNote;
use crate::engine::{Examined, MoveContext};
use crate::error::MigrateError;
use crate::target::sign_in_notes;

/// The rows that failbacks have added.
#[derive(Debug, Default)]
pub(in crate::moves) struct AddedRows {
    /// The ids that they would have in the target, if they were moved.
    pub(in crate::moves) ids: BTreeSet<SessionId>,
    /// Their users and providers.
    partitions: BTreeSet<(String, String)>,
}

impl AddedRows {
    /// Reads which rows failbacks have added.
    pub(in crate::moves) async fn of(context: &MoveContext) -> Result<Self, MigrateError> {
        let (dialect, this) = (context.dialect(), context.id.as_uuid());
        let mut added = Self::default();
        for (id, note) in sign_in_notes(&context.target, dialect, this, None).await? {
            let opened = SignInNote::open(context, id, &note)?;
            added.ids.insert(SessionId::from_uuid(opened.row));
            added.partitions.insert((note.user, note.provider));
        }
        Ok(added)
    }

    /// Returns whether a row may differ for the only reason that the cap ranks an added row before it.
    pub(in crate::moves) fn may_outrank(&self, examined: &Examined) -> bool {
        let row = &examined.row;
        let partition = row.user.clone().zip(row.provider.clone());
        examined.is_pruned
            && examined.outcome.difference().is_some()
            && partition.is_some_and(|partition| self.partitions.contains(&partition))
    }
}
