//! Taking a move back.

use std::time::Duration;

use sea_orm_migration::sea_orm::Value;
use session_core::TokenSet;
use zeroize::Zeroizing;

use super::begun::Begun;
use super::locked::{locked, owner};
use super::report::{LostSignIn, RollbackReport};
use crate::engine::{Comparison, Examined, Watches, totals};
use crate::engine::{Ground, begin};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase, exists};
use crate::source::RenewedTokens;
use crate::sql::Query;
use crate::target::{Standing, create_indexes, uuid_literal};

/// What becomes of tokens that were renewed in the target after the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewed {
    /// They are left; the sign-ins that are lost by it are named.
    Discard,
    /// They are written back into the source, in its own codec.
    WriteBack,
}

/// How long renewals that are under way are waited for after the target was closed.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// The table of moves.
const JOURNAL: &str = "session_move";

/// How many rows are taken out of the target at a time.
const BATCH: u32 = 2000;

pub(super) async fn rollback(
    ground: &Ground,
    renewed: Renewed,
) -> Result<RollbackReport, MigrateError> {
    let lock = locked(ground).await?;
    let report = alone(ground, renewed).await;
    lock.release().await;
    report
}

async fn alone(ground: &Ground, renewed: Renewed) -> Result<RollbackReport, MigrateError> {
    let journal = ground.journal.load(&ground.target).await?;
    let journal = match journal {
        Some(journal) if journal.phase == Phase::Finalized => {
            return Err(MigrateError::because(
                MigrateErrorKind::Phase,
                "the move was finalized: its source may be gone",
            ));
        }
        Some(journal) => journal,
        None => return Err(MigrateError::new(MigrateErrorKind::NoMove)),
    };
    ground.journal.take_over(&ground.target, &owner(ground)).await?;
    let mut report = RollbackReport {
        schema: "session-migrate/rollback/1",
        was: Some(journal.phase),
        ..RollbackReport::default()
    };
    let watches = Watches::of(ground)?;
    let was_open = journal.switched_at.is_some();
    // Nothing is renewed in the target from now on, and no apply goes on with what is half taken
    // back.
    ground.journal.mark(&ground.target, Phase::RollBack, ground.clock().now()).await?;
    // Without that table an earlier process has taken everything out already.
    let has_sessions = exists(&ground.target, ground.dialect(), "login_session").await?;
    if was_open && has_sessions {
        wait_for_renewals(ground).await?;
        watches.unbar(ground).await?;
        give_back(ground, renewed, &mut report).await?;
        report.begun_since = begun_since(ground).await?;
        // The source's tokens count from now on, and the application may renew them: who goes on
        // with a rollback that is killed writes none of the target's over them.
        ground.journal.mark_given_back(&ground.target).await?;
    }
    watches.stop(ground).await?;
    if has_sessions {
        take_out(ground, &mut report).await?;
    }
    finish(ground, &journal).await?;
    Ok(report)
}

/// A renewal that is under way may still write what it got.
async fn wait_for_renewals(ground: &Ground) -> Result<(), MigrateError> {
    let mine = uuid_literal(ground.dialect(), ground.id.as_uuid());
    let sql = format!(
        "SELECT COUNT(*) FROM login_session WHERE moved_by = {mine} AND lease_owner IS NOT NULL \
         AND ended_at IS NULL"
    );
    let since = ground.clock().monotonic();
    loop {
        let query = Query::new(ground.dialect(), sql.clone());
        let leases = query.number(&ground.target).await?;
        // A lease that outlives this belongs to a process that is gone.
        if leases == 0 || ground.clock().monotonic().saturating_sub(since) > PATIENCE {
            return Ok(());
        }
        ground.clock().sleep(PAUSE).await;
    }
}

/// Writes renewed tokens back, or names the sign-ins that are lost.
async fn give_back(
    ground: &Ground,
    renewed: Renewed,
    report: &mut RollbackReport,
) -> Result<(), MigrateError> {
    let mut comparison = Comparison::new(ground, true)?;
    while let Some((mapping, examined)) = comparison.next().await? {
        for examined in examined {
            let Some(why) = give_back_one(ground, mapping, renewed, &examined).await? else {
                continue;
            };
            match (why, &examined.standing) {
                (Given::Back, _) => report.written_back += 1,
                (Given::Lost(why), Some(Standing::Live(row))) => report.lost.push(LostSignIn {
                    id: examined.id.to_string(),
                    user: row.user.clone(),
                    provider: row.provider.clone(),
                    why,
                }),
                (Given::Lost(_), _) => {}
            }
        }
    }
    Ok(())
}

enum Given {
    Back,
    Lost(&'static str),
}

/// What becomes of a row whose tokens are others in the target; `None` if they are the same.
async fn give_back_one(
    ground: &Ground,
    mapping: usize,
    renewed: Renewed,
    examined: &Examined,
) -> Result<Option<Given>, MigrateError> {
    let Some(Standing::Live(there)) = &examined.standing else { return Ok(None) };
    if there.is_ended {
        return Ok(Some(Given::Lost("it has ended in the target")));
    }
    let (Some(opened), Some(table)) = (&examined.opened, ground.tables.get(mapping)) else {
        return Ok(Some(Given::Lost("its tokens do not open in the target")));
    };
    if !is_renewed(examined, opened) {
        return Ok(None);
    }
    if renewed == Renewed::Discard {
        return Ok(Some(Given::Lost("its tokens were renewed in the target")));
    }
    let tokens = renewed_tokens(opened, there.renewed_at);
    let transaction = begin(&ground.source).await?;
    let written = table.write_back(&transaction, &examined.row, &tokens).await?;
    transaction.commit().await?;
    Ok(Some(if written { Given::Back } else { Given::Lost("its row has changed in the source") }))
}

fn is_renewed(examined: &Examined, opened: &TokenSet) -> bool {
    let Some(source) = examined.row.tokens.opened() else { return false };
    source.access().unwrap_or_default() != opened.access_token()
        || source.refresh() != opened.refresh_token()
        || source.id() != opened.id_token()
}

fn renewed_tokens(opened: &TokenSet, renewed_at: Option<i64>) -> RenewedTokens {
    let secret = |token: Option<&str>| token.map(|token| Zeroizing::new(token.to_owned()));
    let renewed_at = renewed_at.map(session_core::Timestamp::from_millis);
    RenewedTokens {
        access: Zeroizing::new(opened.access_token().to_owned()),
        refresh: secret(opened.refresh_token()),
        id: secret(opened.id_token()),
        scope: opened.scope().map(str::to_owned),
        token_type: opened.token_type().map(str::to_owned),
        extra: opened.extra().clone(),
        expires_at: opened.expires_at(),
        renewed_at: renewed_at.unwrap_or_else(|| opened.received_at()),
    }
}

/// Sessions that no move brought.
async fn begun_since(ground: &Ground) -> Result<u64, MigrateError> {
    let sql = "SELECT COUNT(*) FROM login_session WHERE moved_by IS NULL AND ended_at IS NULL";
    let query = Query::new(ground.dialect(), sql);
    query.number(&ground.target).await.map_err(MigrateError::from)
}

/// Takes the move's rows out of the target, batch by batch.
async fn take_out(ground: &Ground, report: &mut RollbackReport) -> Result<(), MigrateError> {
    let totals = totals(ground).await?;
    report.removed += totals.live;
    let mine = uuid_literal(ground.dialect(), ground.id.as_uuid());
    for (table, id, of_move) in
        [("login_session", "id", "moved_by"), ("session_move_aside", "session_id", "move_id")]
    {
        loop {
            // Through a derived table: MySQL takes no LIMIT in a subselect of IN.
            let sql = format!(
                "DELETE FROM {table} WHERE {id} IN (SELECT chosen.id FROM (SELECT {id} AS id FROM {table} \
                 WHERE {of_move} = {mine} LIMIT {BATCH}) AS chosen)"
            );
            let transaction = begin(&ground.target).await?;
            let removed = Query::new(ground.dialect(), sql).execute(&transaction).await;
            let removed = removed?;
            transaction.commit().await?;
            if removed == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Where this move made the tables and nobody else has rows in them, they go as they came.
///
/// The journal goes last, whatever is done: a process that dies before is followed by one that
/// finds it, and takes the rest away.
async fn finish(ground: &Ground, journal: &Journal) -> Result<(), MigrateError> {
    let begun = Begun::of(journal)?;
    if begun.made_tables && !is_used_by_others(ground).await? {
        // Not step by step backwards, for that way the journal would go first; and the list of
        // steps goes before it, so that it never says of a table that is gone that it is there.
        let tables = crate::migrations::TABLES.into_iter().filter(|table| *table != JOURNAL);
        for table in tables.chain(["session_migration", JOURNAL]) {
            let query = Query::new(ground.dialect(), format!("DROP TABLE IF EXISTS {table}"));
            query.execute(&ground.target).await?;
        }
        return Ok(());
    }
    if begun.is_bare {
        create_indexes(&ground.target, ground.dialect()).await?;
    }
    let mut query = Query::new(ground.dialect(), "DELETE FROM session_move WHERE id = ");
    let id = query.bind(Value::Uuid(Some(ground.id.as_uuid())));
    query.push(&id);
    query.execute(&ground.target).await?;
    Ok(())
}

/// Whether somebody else has sessions, or moves, in the tables.
async fn is_used_by_others(ground: &Ground) -> Result<bool, MigrateError> {
    let dialect = ground.dialect();
    let mut rows = 0;
    for table in ["login_session", "provider_revocation", "login_session_event"] {
        if exists(&ground.target, dialect, table).await? {
            let query = Query::new(dialect, format!("SELECT COUNT(*) FROM {table}"));
            rows += query.number(&ground.target).await?;
        }
    }
    let mut query = Query::new(dialect, "SELECT COUNT(*) FROM session_move WHERE id <> ");
    let id = query.bind(Value::Uuid(Some(ground.id.as_uuid())));
    query.push(&id);
    rows += query.number(&ground.target).await?;
    Ok(rows > 0)
}
