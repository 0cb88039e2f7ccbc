//! The beginning of a move: everything is checked before anything is written.

use std::path::{Path, PathBuf};

use sea_orm_migration::sea_orm::Value;

use super::manifest::{MoveManifest, no_move};
use super::plan;
use super::preflight::preflight;
use super::proof::key_proof;
use crate::capture::CaptureOwner;
use crate::engine::{MoveContext, over_cap_threshold};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{FirstEntry, exists};
use crate::sql::{self, Dialect, Query, sqlite_file};
use crate::target::{check_columns, drop_indexes, is_empty};

/// Why an apply may write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Approval {
    /// The plan with this digest was reviewed; if it is not the current plan, nothing is written.
    Plan(String),
    /// A move that was begun goes on.
    Resume,
    /// Apply without a reviewed plan.
    Unreviewed,
}

/// Checks the plan and the target, backs a SQLite file up, creates the tables, and records the move.
pub(super) async fn begin(context: &MoveContext, approval: &Approval) -> Result<(), MigrateError> {
    if *approval != Approval::Resume {
        preflight(context).await?;
    }
    let digest = match approval {
        Approval::Plan(digest) => {
            let plan = plan::plan(context).await?;
            plan.require(digest)?;
            if plan.is_unreadable() {
                return Err(all_unreadable(context, plan.unreadable_rows()));
            }
            Some(digest.as_str())
        }
        Approval::Resume => return Err(no_move(context).await?),
        Approval::Unreviewed => {
            require_readable(context).await?;
            None
        }
    };
    require_distinct_cookies(context).await?;
    let sealed_keys = key_proof(context).await?.seal(context.id, context.keyring()?)?;
    let dialect = context.dialect();
    let has_tables = exists(&context.target, dialect, "login_session").await?;
    check_columns(&context.target, false).await?;
    if context.options.is_step {
        require_tables(context).await?;
    }
    let backup = backup(context).await?;
    if !context.options.is_step {
        crate::up(context.options.target()).await?;
    }
    check_columns(&context.target, true).await?;
    // Online, the application may use the table already.
    let is_without_indexes =
        !context.options.is_online && is_empty(&context.target, dialect).await?;
    let spec = context.options.spec(&context.mappings);
    let manifest = MoveManifest {
        spec,
        made_tables: !has_tables,
        is_without_indexes,
        backup,
        source: context.identity.clone(),
        tag: CaptureOwner::new(context.id).tag().to_owned(),
        settings: context.options.settings.clone(),
    };
    let first = FirstEntry {
        manifest: &manifest.to_json(),
        plan_digest: digest,
        sealed_keys,
        now: context.clock().now(),
    };
    let transaction = sql::begin(&context.target).await?;
    context.journal.begin(&transaction, first).await?;
    if is_without_indexes {
        drop_indexes(&transaction, dialect).await?;
    }
    Ok(transaction.commit().await?)
}

/// Requires the tables that the steps before this one create: their migrator records which of them
/// were applied.
async fn require_tables(context: &MoveContext) -> Result<(), MigrateError> {
    for table in ["login_session", "session_move", "session_move_aside"] {
        if !exists(&context.target, context.dialect(), table).await? {
            return Err(MigrateError::because(
                MigrateErrorKind::Target,
                format!(
                    "there is no {table}: the steps of session_migrate::migrations() come first"
                ),
            ));
        }
    }
    Ok(())
}

/// Returns an error if no row of the source opens: the key is the wrong one, and every row would be
/// quarantined.
async fn require_readable(context: &MoveContext) -> Result<(), MigrateError> {
    let mut unreadable = 0_u64;
    for table in &context.tables {
        let probe = table.source.probe_keys(&context.source).await?;
        if probe.is_readable {
            return Ok(());
        }
        unreadable += probe.unreadable;
    }
    match unreadable {
        0 => Ok(()),
        rows => Err(all_unreadable(context, rows)),
    }
}

fn all_unreadable(context: &MoveContext, rows: u64) -> MigrateError {
    let advice = context.key_advice();
    let detail = format!("{rows} rows have tokens, and none could be decrypted; {advice}");
    MigrateError::because(MigrateErrorKind::Unreadable, detail)
}

/// Returns an error if rows share a cookie, which leads to one session, and no cap leaves one of
/// them: their digest is unique in the target, which would show after the whole load only.
async fn require_distinct_cookies(context: &MoveContext) -> Result<(), MigrateError> {
    if over_cap_threshold(context.cap()).is_some() {
        return Ok(());
    }
    for table in &context.tables {
        let shared = table.source.shared_cookies(&context.source).await?;
        if shared > 0 {
            let detail = format!(
                "{shared} rows of {} have the same cookie as another row: leave `cookie` out of the \
                 mapping, or give a cap that keeps one row of each",
                table.mapping().table
            );
            return Err(MigrateError::because(MigrateErrorKind::Target, detail));
        }
    }
    Ok(())
}

/// Backs up the source if it is a SQLite file that will be written to; returns the path of the copy.
///
/// A copy that exists already is that of an earlier attempt: it is kept, beside the new one.
///
/// # Security
///
/// The copy holds what the file holds, and gets the file's permissions.
async fn backup(context: &MoveContext) -> Result<Option<String>, MigrateError> {
    let is_file = Dialect::of(context.source.get_database_backend()) == Dialect::Sqlite;
    if !is_file || context.options.is_online {
        return Ok(None);
    }
    let Some(file) = sqlite_file(&context.source).await? else { return Ok(None) };
    let copy = free_name(&format!("{}.before-{}", file.display(), context.id));
    // A copy that was interrupted must not be taken for a complete one.
    let partial = PathBuf::from(format!("{copy}.partial"));
    remove_partial(&partial);
    if let Err(error) = write_copy(context, &file, &partial).await {
        remove_partial(&partial);
        return Err(error);
    }
    std::fs::rename(&partial, &copy).map_err(no_backup)?;
    Ok(Some(copy))
}

/// Copies the source into a file that has the source's permissions before anything is in it; SQLite
/// takes an empty file, and gives the journal beside it the same ones.
async fn write_copy(context: &MoveContext, file: &Path, copy: &Path) -> Result<(), MigrateError> {
    let permissions = std::fs::metadata(file).map(|of| of.permissions()).map_err(no_backup)?;
    create_private(copy).map_err(no_backup)?;
    std::fs::set_permissions(copy, permissions).map_err(no_backup)?;
    let mut query = Query::new(Dialect::Sqlite, "VACUUM INTO ");
    let path = query.bind(Value::String(Some(copy.display().to_string())));
    query.push(&path);
    query.execute(&context.source).await.map_err(no_backup)?;
    Ok(())
}

/// Creates an empty file that no other user can open.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Removes a copy that was interrupted, and its journal.
fn remove_partial(partial: &Path) {
    for path in [partial.to_owned(), PathBuf::from(format!("{}-journal", partial.display()))] {
        // As a rule there is none.
        let _ = std::fs::remove_file(path);
    }
}

/// Returns this name, or, where a file has it, the first with a number that no file has.
fn free_name(name: &str) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !Path::new(name).exists()).unwrap_or_else(|| name.to_owned())
}

fn no_backup(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> MigrateError {
    let detail = "the SQLite file cannot be backed up";
    MigrateError::because(MigrateErrorKind::Statement, detail).caused_by(cause)
}
