//! The outbox of refresh tokens that are to be revoked, as far as a move writes it.

use std::collections::HashMap;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait, Value};
use session_core::token::{SealContext, Sealed, SealedPart};
use session_core::{Keyring, ProviderName, SessionId, Timestamp, UserId};
use zeroize::Zeroizing;

use super::existing::TargetRow;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::{Dialect, Query};

/// How many ids one statement names.
const CHUNK: usize = 500;

/// Adds the refresh tokens of ended sessions that the outbox does not hold yet.
pub(crate) async fn add_revocations(
    connection: &impl ConnectionTrait,
    (dialect, keyring): (Dialect, &Keyring),
    ended: &[(&TargetRow, &str)],
    now: Timestamp,
) -> Result<(), MigrateError> {
    for some in ended.chunks(CHUNK) {
        let ids: Vec<SessionId> = some.iter().map(|(row, _)| row.id).collect();
        let held = held(connection, dialect, &ids).await?;
        for (row, token) in some {
            let held = held.get(&row.id).into_iter().flatten();
            let is_held = |sealed: &Sealed| {
                let opened = in_context(row, |context| keyring.open(context, sealed).ok());
                opened.flatten().is_some_and(|opened| opened.as_slice() == token.as_bytes())
            };
            if !held.into_iter().any(is_held) {
                add(connection, (dialect, keyring), row, token, now).await?;
            }
        }
    }
    Ok(())
}

/// Removes the entries of these sessions.
pub(crate) async fn remove_revocations(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    sessions: &[SessionId],
) -> Result<(), MigrateError> {
    for ids in sessions.chunks(CHUNK) {
        let sql = "DELETE FROM provider_revocation WHERE session_id IN ";
        naming(dialect, sql, ids).execute(connection).await?;
    }
    Ok(())
}

async fn held(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    ids: &[SessionId],
) -> Result<HashMap<SessionId, Vec<Sealed>>, MigrateError> {
    let sql =
        "SELECT session_id, sealed_refresh_token FROM provider_revocation WHERE session_id IN ";
    let mut held: HashMap<SessionId, Vec<Sealed>> = HashMap::new();
    for row in naming(dialect, sql, ids).rows(connection).await? {
        let sealed = Sealed::from_bytes(row.try_get_by_index(1)?);
        held.entry(SessionId::from_uuid(row.try_get_by_index(0)?)).or_default().push(sealed);
    }
    Ok(held)
}

/// Adds an entry for a session's row, from which it takes what is not secret.
async fn add(
    connection: &impl ConnectionTrait,
    (dialect, keyring): (Dialect, &Keyring),
    row: &TargetRow,
    token: &str,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let token = Zeroizing::new(token.as_bytes().to_vec());
    let sealed = in_context(row, |context| keyring.seal(context, &token));
    let sealed = sealed.ok_or_else(|| MigrateError::new(MigrateErrorKind::Keys))?;
    let sealed =
        sealed.map_err(|error| MigrateError::new(MigrateErrorKind::Keys).caused_by(error))?;
    let sql = "INSERT INTO provider_revocation (id, session_id, user_id, provider, partition_key, \
        sealed_refresh_token, seal_key, created_at, due_at, attempts) SELECT ";
    let mut query = Query::new(dialect, sql);
    let id = query.bind(Value::Uuid(Some(Uuid::now_v7())));
    query.push(&id).push(", id, user_id, provider, partition_key, ");
    let sealed = query.bind(Value::Bytes(Some(sealed.as_bytes().to_vec())));
    query.push(&sealed).push(", ");
    let key = query.bind(Value::String(Some(keyring.sealing_key_id().to_owned())));
    let now = now.as_millis();
    query.push(&key).push(&format!(", {now}, {now}, 0 FROM login_session WHERE id = "));
    let id = query.bind(Value::Uuid(Some(row.id.as_uuid())));
    query.push(&id);
    query.execute(connection).await?;
    Ok(())
}

/// Calls `work` with what a session's refresh token is sealed for.
fn in_context<T>(row: &TargetRow, work: impl FnOnce(SealContext<'_>) -> T) -> Option<T> {
    let (user, provider) = (UserId::new(&row.user).ok()?, ProviderName::new(&row.provider).ok()?);
    let part = SealedPart::RefreshToken;
    Some(work(SealContext { session: row.id, user: &user, provider: &provider, part }))
}

pub(super) fn naming(dialect: Dialect, sql: &str, ids: &[SessionId]) -> Query {
    let mut query = Query::new(dialect, sql);
    let ids: Vec<String> =
        ids.iter().map(|id| query.bind(Value::Uuid(Some(id.as_uuid())))).collect();
    query.push(&format!("({})", ids.join(", ")));
    query
}
