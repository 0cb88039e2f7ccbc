//! The database that is written: `login_session`, and the quarantine beside it.
//!
//! `row_plan` decides what becomes of a source row, `sealed` seals it, `table` writes it, and
//! `existing` compares what the target already holds.

mod columns;
mod existing;
mod failback;
mod indexes;
mod insert;
mod outbox;
mod row_plan;
mod sealed;
mod table;

pub(crate) use columns::check_columns;
pub(crate) use existing::{ExistingRow, TargetRow, WRITE_BACK};
pub(crate) use failback::{
    CHANGES, EventPosition, MovedBy, StoredNote, changed_sessions, events, forget_sign_ins,
    hand_over, moved_by, note_sign_in, sign_in_notes,
};
pub(crate) use indexes::{
    create_indexes, create_statements, drop_indexes, drop_statements, is_empty,
};
pub(crate) use outbox::{add_revocations, remove_revocations};
pub(crate) use row_plan::{
    ASSUMED_LIFETIME, Disposition, LiveRow, QuarantineReason, RowPlanner, move_id,
};
pub(crate) use sealed::{
    SealedRow, hex, is_quarantined_as, is_same_quarantined, seal, seal_stored, stored_digest,
};
pub(crate) use table::{TargetTable, insert_template, uuid_literal};
