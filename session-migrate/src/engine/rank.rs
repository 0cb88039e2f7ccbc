//! The rows of crowded pairs: ranked by the policy, pair by pair, and moved or set aside.

use super::pass::{BatchSize, Stopwatch};
use super::reconcile::{Wanted, reconcile};
use super::verdict::{crowd_size, pruned};
use super::work::Work;
use crate::error::MigrateError;
use crate::journal::Place;

/// Ranks and moves the crowds of every mapping, from where the journal has come to.
pub(crate) async fn rank(work: &mut Work<'_>) -> Result<(), MigrateError> {
    let ground = work.ground;
    let Some(crowd) = crowd_size(ground.cap()) else { return Ok(()) };
    let size = BatchSize::crowds(ground.options.batch);
    while let (Some(table), Some(mapping)) =
        (ground.tables.get(work.place.mapping), ground.mappings.mapping.get(work.place.mapping))
    {
        let mut watch = Stopwatch::start(ground.clock());
        let after = work.place.after.as_deref().map(str::parse).transpose().ok().flatten();
        let page = table.over_cap_rows(&ground.source, crowd, after.as_ref(), size).await?;
        let (rows, next) = page;
        let verdicts = pruned(ground.cap(), mapping, &rows)?;
        let number = work.place.mapping;
        let to = match &next {
            Some(cursor) => Place { mapping: number, after: Some(cursor.to_string()) },
            None => Place { mapping: number + 1, after: None },
        };
        let rows = rows.into_iter().zip(verdicts).collect();
        let wanted = Wanted { mapping: number, rows, gone: Vec::new() };
        reconcile(work, wanted, &to).await?;
        work.between(watch.lap(ground.clock())).await?;
    }
    Ok(())
}
