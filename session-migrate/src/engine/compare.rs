//! Both sides, row by row: what the source asks for, and what stands in the target.

use std::sync::Arc;

use super::examine::{Examined, Examiner};
use super::pass::{BatchSize, Pass, each};
use super::verdict::{crowd_size, is_crowded, pruned};
use crate::engine::Ground;
use crate::error::MigrateError;
use crate::source::{Cursor, OverCapPartitions, PartitionCursor, SourceRow};

/// Rows of the source, each with whether the cap prunes it.
type Judged = Vec<(SourceRow, bool)>;

/// Goes through every mapping and gives each row beside what stands for it.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    rows: Rows<'a>,
    examiner: Examiner<'a>,
    /// Read while what came before was examined.
    ahead: Option<(usize, Judged)>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(ground: &'a Ground, is_open: bool) -> Result<Self, MigrateError> {
        let size = BatchSize::new(ground.options.batch.or(Some(1000))).rows();
        let (target, keyring) = (ground.target_table()?, Arc::clone(ground.keyring()?));
        Ok(Self {
            rows: Rows { ground, mapping: 0, at: At::Begin, size },
            examiner: Examiner { ground, target, keyring, is_open },
            ahead: None,
        })
    }

    /// The next rows, and the number of their mapping; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(usize, Vec<Examined>)>, MigrateError> {
        let now = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.rows.next().await?,
        };
        let Some((mapping, rows)) = now else { return Ok(None) };
        let (examined, ahead) =
            tokio::join!(self.examiner.examine(mapping, rows), self.rows.next());
        self.ahead = ahead?;
        Ok(Some((mapping, examined?)))
    }
}

/// The rows of every mapping: first those of pairs that are not crowded, then the crowds.
#[derive(Debug)]
struct Rows<'a> {
    ground: &'a Ground,
    mapping: usize,
    at: At,
    size: u32,
}

#[derive(Debug)]
enum At {
    Begin,
    Pass(Box<Pass>, Arc<OverCapPartitions>),
    Crowds(Option<PartitionCursor>),
}

impl Rows<'_> {
    /// The next rows, and the number of their mapping; `None` at the end.
    async fn next(&mut self) -> Result<Option<(usize, Judged)>, MigrateError> {
        while self.mapping < self.ground.tables.len() {
            let mapping = self.mapping;
            if let Some(rows) = self.step().await? {
                return Ok(Some((mapping, rows)));
            }
        }
        Ok(None)
    }

    /// One step; rows, if it came to some.
    async fn step(&mut self) -> Result<Option<Judged>, MigrateError> {
        let ground = self.ground;
        let Some(table) = ground.tables.get(self.mapping) else { return Ok(None) };
        match &mut self.at {
            At::Begin => {
                let crowd = match crowd_size(ground.cap()) {
                    Some(size) => table.over_cap_partitions(&ground.source, size).await?,
                    None => OverCapPartitions::default(),
                };
                let pass = Pass::new(table, &ground.source, None::<Cursor>);
                self.at = At::Pass(Box::new(pass), Arc::new(crowd));
                Ok(None)
            }
            At::Pass(pass, crowd) => match pass.next(self.size).await? {
                Some(batch) => {
                    let crowd = Arc::clone(crowd);
                    let rows = each(table, batch.rows, move |row| {
                        Ok((!is_crowded(&crowd, &row)).then_some(row))
                    });
                    let rows = rows.await?.into_iter().flatten();
                    Ok(Some(rows.map(|row| (row, false)).collect()))
                }
                None => {
                    self.at = At::Crowds(None);
                    if crowd_size(ground.cap()).is_none() {
                        self.next_mapping();
                    }
                    Ok(None)
                }
            },
            At::Crowds(after) => {
                let after = after.take();
                self.crowds(after).await.map(Some)
            }
        }
    }

    async fn crowds(&mut self, after: Option<PartitionCursor>) -> Result<Judged, MigrateError> {
        let ground = self.ground;
        let (Some(table), Some(mapping), Some(crowd)) = (
            ground.tables.get(self.mapping),
            ground.mappings.mapping.get(self.mapping),
            crowd_size(ground.cap()),
        ) else {
            return Ok(Vec::new());
        };
        let size = BatchSize::crowds(ground.options.batch);
        let page = table.over_cap_rows(&ground.source, crowd, after.as_ref(), size).await?;
        let (rows, next) = page;
        let verdicts = pruned(ground.cap(), mapping, &rows)?;
        match next {
            Some(cursor) => self.at = At::Crowds(Some(cursor)),
            None => self.next_mapping(),
        }
        Ok(rows.into_iter().zip(verdicts).collect())
    }

    fn next_mapping(&mut self) {
        (self.mapping, self.at) = (self.mapping + 1, At::Begin);
    }
}
