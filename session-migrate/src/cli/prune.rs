//! `session-migrate prune`: a cap, enforced in place on every mapped table.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget};
use sea_orm_migration::sea_orm::DatabaseConnection;
use session_migrate::Layout;
use session_migrate::cap::Count;
use session_migrate::prune::{Prune, PruneReport};
use session_migrate::source::{
    Codecs, Mapping, Mappings, Mismatch, RowTokens, Schema, SourceTable, connect_read_only,
};

use super::failure::Failure;
use super::moves::Answer;
use super::show::{self, Plans, Reports};
use super::words::{PruneWords, SourceWords};

/// Shows what would go; with `yes` it goes.
pub(crate) async fn run(words: &PruneWords, yes: bool, json: bool) -> Result<Answer, Failure> {
    if !words.cap.is_given() {
        return Err(Failure::usage("give --max-sessions N or --policy FILE"));
    }
    let prunes = prunes(words).await?;
    if yes { apply(&prunes, json).await } else { plan(&prunes, json).await }
}

async fn plan(prunes: &[Prune], json: bool) -> Result<Answer, Failure> {
    let mut plans = Plans::default();
    for prune in prunes {
        let plan = prune.plan().await?;
        plans.rows += plan.rows;
        plans.pruned += plan.pruned;
        plans.mappings.push(plan);
    }
    Ok(Answer::of(&plans, json, show::prune_plans))
}

async fn apply(prunes: &[Prune], json: bool) -> Result<Answer, Failure> {
    let mut reports = Reports::default();
    let stop = stop();
    for prune in prunes {
        let report = one(prune, &stop).await.map_err(|failure| match reports.pruned {
            0 => failure,
            _ => failure.after(&show::prunes(&reports).replace('\n', "; ")),
        })?;
        reports.rows += report.rows;
        reports.pruned += report.pruned;
        reports.is_stopped |= report.is_stopped;
        reports.mappings.push(report);
        if reports.is_stopped {
            break;
        }
    }
    let answer = Answer::of(&reports, json, show::prunes);
    Ok(Answer { is_good: !reports.is_stopped, ..answer })
}

async fn one(prune: &Prune, stop: &AtomicBool) -> Result<PruneReport, Failure> {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let report = prune.apply(
        |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.pruned);
        },
        stop,
    );
    let report = report.await;
    bar.finish_and_clear();
    Ok(report?)
}

/// Is set where a person asks for a stop: the batch that is under way is the last.
fn stop() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("stopping after this batch");
            asked.store(true, Ordering::Relaxed);
        }
    });
    stop
}

/// One prune for each mapping, after all of them were held against the database.
async fn prunes(words: &PruneWords) -> Result<Vec<Prune>, Failure> {
    let (cap, codecs) = (words.cap.cap()?, SourceWords::codecs()?);
    let layout = words.source.layout()?;
    let connection = connect_read_only(&words.source.from).await?;
    let schema = Schema::read(&connection).await?;
    let mappings = mappings(layout, &schema)?;
    let keys = codecs.clone().with_keys_of(&connection, &schema).await?;
    let mut prunes = Vec::new();
    for mapping in mappings.mapping {
        let table = SourceTable::open(&connection, &schema, &mapping, &keys).await?;
        if cap.counted() == Count::Usable {
            require_readable(&connection, &table).await?;
        }
        prunes.push(prune(words, mapping, codecs.clone())?);
    }
    // Nothing is left to be done on it.
    let _ = connection.close().await;
    Ok(prunes)
}

fn prune(words: &PruneWords, mapping: Mapping, codecs: Codecs) -> Result<Prune, Failure> {
    let prune = Prune::new(&words.source.from, mapping, codecs, words.cap.cap()?);
    Ok(match words.batch.and_then(NonZeroU32::new) {
        Some(rows) => prune.batch(rows),
        None => prune,
    })
}

fn mappings(layout: Layout, schema: &Schema) -> Result<Mappings, Failure> {
    let mappings = match layout {
        Layout::Preset(preset) => {
            preset.match_schema(schema).map_err(|miss| misfit(&miss))?.mappings
        }
        Layout::Mapped(mappings) => mappings,
        _ => return Err(Failure::usage("give --preset NAME or --mapping FILE")),
    };
    match mappings.mapping.iter().any(|mapping| mapping.table == "login_session") {
        true => Err(Failure::usage(
            "login_session is pruned by the policy at each sign-in, and not from outside",
        )),
        false => Ok(mappings),
    }
}

fn misfit(miss: &Mismatch) -> Failure {
    let missing = miss.missing.join("; ");
    Failure::usage(match &miss.table {
        Some(table) => format!("the preset {} needs, in {table}: {missing}", miss.preset),
        None => format!("the preset {} needs {missing}", miss.preset),
    })
}

/// Refuses a table of which no row opens: the key is the wrong one, and which rows work could not
/// be told.
async fn require_readable(
    connection: &DatabaseConnection,
    table: &SourceTable,
) -> Result<(), Failure> {
    let (mut after, mut unreadable) = (None, 0_u64);
    loop {
        let (rows, next) = table.batch(connection, after.as_ref(), 500).await?;
        for row in rows {
            match row.tokens {
                RowTokens::Opened(_) => return Ok(()),
                tokens => unreadable += u64::from(tokens.is_unreadable()),
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    match unreadable {
        0 => Ok(()),
        rows => Err(Failure::unreadable(format!(
            "none of {rows} rows of {} with tokens opens: give the source's key, or --count all",
            table.mapping().table
        ))),
    }
}
