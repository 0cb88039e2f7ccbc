//! Makes sessions that began in the target rows of the source.

use sea_orm_migration::sea_orm::prelude::Uuid;
use serde::{Deserialize, Serialize};
use session_core::{SessionId, Timestamp};

use super::source_writer::{RowOfSession, SourceWriter};
use crate::engine::{MappedTable, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{open_value, seal_value};
use crate::moves::write_back::renewed_tokens;
use crate::source::{NewRow, RenewedTokens, SourceRow};
use crate::target::{StoredNote, TargetRow, note_sign_in};

/// What leads from a session that began in the target to its row of the source.
#[derive(Serialize, Deserialize)]
pub(super) struct SignInNote {
    random: String,
    /// The id that the row would have in the target.
    pub(super) row: Uuid,
}

impl SignInNote {
    pub(super) fn open(
        context: &MoveContext,
        session: SessionId,
        note: &StoredNote,
    ) -> Result<Self, MigrateError> {
        open_value(session, context.keyring()?, &note.sealed).ok_or_else(|| {
            MigrateError::because(MigrateErrorKind::Keys, "a note of a failback does not open")
        })
    }
}

/// Brings the state of a session that began in the target into its row, which is added where there is
/// none. `note` leads to the row, if it was noted before.
pub(super) async fn sign_in(
    writer: &mut SourceWriter<'_>,
    session: &TargetRow,
    note: Option<&StoredNote>,
) -> Result<(), MigrateError> {
    let is_new = session.created_at >= writer.started_at;
    if let Some(note) = note
        && let Some(row) = noted_row(writer, session, note).await?
    {
        return writer.bring(session, row).await;
    }
    if session.is_ended() || !is_new {
        writer.note_taken(session);
        return Ok(());
    }
    let found = match table_for(writer, session) {
        Ok(table) => tokens_of(writer, session)?.map(|tokens| (table, tokens)),
        Err(why) => Err(why),
    };
    let (table, tokens) = match found {
        Ok(found) => found,
        Err(why) => {
            writer.skip_change(session, why);
            return Ok(());
        }
    };
    let random = match note {
        Some(note) => SignInNote::open(writer.context, session.id, note)?.random,
        None => note_first(writer, session, table).await?,
    };
    let row = new_row(session, &random, &tokens);
    let added = add(writer, table, &row).await;
    if writer.is_taken(session, added.map(|()| true))? {
        writer.counts.added += 1;
    }
    Ok(())
}

/// Returns the row that was added for a noted session, and its table.
pub(super) async fn noted_row<'a>(
    writer: &SourceWriter<'a>,
    session: &TargetRow,
    note: &StoredNote,
) -> Result<Option<RowOfSession<'a>>, MigrateError> {
    let context = writer.context;
    let random = SignInNote::open(context, session.id, note)?.random;
    let Ok(table) = table_of(context, session) else { return Ok(None) };
    let tokens = RenewedTokens::none(writer.now());
    let key = table.source.new_key(&new_row(session, &random, &tokens))?;
    let found = table.source.rows_by_keys(&context.source, &[key.cells().to_vec()]).await?;
    Ok(found.into_iter().next().map(|row: SourceRow| (table, row)))
}

/// Returns the table that a session can become a row of, or why there is none.
fn table_for<'a>(
    writer: &SourceWriter<'a>,
    session: &TargetRow,
) -> Result<&'a MappedTable, &'static str> {
    if !writer.is_alone {
        return Err("another move into this target may be its source");
    }
    let table = table_of(writer.context, session)?;
    match writer.obstacles.get(table.number) {
        Some(None) => Ok(table),
        _ => Err("its table takes no new rows; `plan` says why"),
    }
}

/// Returns the only table that takes the session's provider.
fn table_of<'a>(
    context: &'a MoveContext,
    session: &TargetRow,
) -> Result<&'a MappedTable, &'static str> {
    let tables = context.tables.iter();
    let mut tables = tables.filter(|table| table.source.takes_provider(&session.provider));
    match (tables.next(), tables.next()) {
        (None, _) => Err("no table of the source takes its provider"),
        (Some(_), Some(_)) => Err("several tables of the source take its provider"),
        (Some(table), None) => Ok(table),
    }
}

/// Draws what a new row needs, and notes it before the row is there. It is random because it may
/// become a cookie, and the session's id is public.
async fn note_first(
    writer: &SourceWriter<'_>,
    session: &TargetRow,
    table: &MappedTable,
) -> Result<String, MigrateError> {
    let (context, keyring) = (writer.context, writer.context.keyring()?);
    let random = random_uuid()?;
    let tokens = RenewedTokens::none(writer.now());
    let key = table.source.new_key(&new_row(session, &random, &tokens))?;
    let note = SignInNote { random, row: table.id(&key).as_uuid() };
    let sealed = seal_value(session.id, keyring, &note)
        .ok_or_else(|| MigrateError::new(MigrateErrorKind::Keys))?;
    let transaction = context.begin_leased().await?;
    note_sign_in(
        &transaction,
        (context.dialect(), context.id.as_uuid()),
        session,
        (sealed, keyring.sealing_key_id()),
        writer.now(),
    )
    .await?;
    transaction.commit().await?;
    Ok(note.random)
}

/// Returns a session's tokens as they are written into a row, or why they must not be.
fn tokens_of(
    writer: &SourceWriter<'_>,
    session: &TargetRow,
) -> Result<Result<RenewedTokens, &'static str>, MigrateError> {
    let opened = session.open(writer.context.keyring()?).ok_or_else(|| {
        MigrateError::because(MigrateErrorKind::Keys, "the tokens of a session do not open")
    })?;
    Ok(renewed_tokens(&opened, session.renewed_at))
}

async fn add(
    writer: &SourceWriter<'_>,
    table: &MappedTable,
    row: &NewRow<'_>,
) -> Result<(), MigrateError> {
    let captures = writer.captures;
    writer
        .context
        .leased(async {
            let transaction = captures.begin_own_writes().await?;
            table.source.insert(&transaction, row).await?;
            captures.commit_own_writes(transaction).await
        })
        .await
}

fn random_uuid() -> Result<String, MigrateError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let detail = "the system gives no random bytes";
        MigrateError::because(MigrateErrorKind::Keys, detail).caused_by(error)
    })?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

fn new_row<'a>(session: &'a TargetRow, random: &'a str, tokens: &'a RenewedTokens) -> NewRow<'a> {
    let [_, subject, _, account] = &session.identity;
    NewRow {
        user: &session.user,
        provider: &session.provider,
        account: account.as_deref().or(subject.as_deref()),
        random,
        created_at: Timestamp::from_millis(session.created_at),
        tokens,
    }
}
