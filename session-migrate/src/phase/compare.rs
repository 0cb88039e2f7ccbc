//! Both sides, row by row: what the source asks for, and what stands in the target.

use std::sync::Arc;

use session_core::{Keyring, SessionId, TokenSet};

use super::pass::{BatchSize, Pass, each, in_parts};
use super::verdict::{crowd_size, is_crowded, pruned};
use crate::error::MigrateError;
use crate::ground::Ground;
use crate::source::{CrowdedPairs, Cursor, PairCursor, SourceRow};
use crate::target::{Fate, Gate, LiveRow, Reason, Standing, TargetTable, is_set_aside};

/// A row of the source beside what stands for it.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) id: SessionId,
    pub(crate) row: SourceRow,
    pub(crate) is_pruned: bool,
    pub(crate) state: State,
    pub(crate) outcome: Outcome,
    /// The tokens that stand in the target.
    pub(crate) opened: Option<TokenSet>,
    pub(crate) standing: Option<Standing>,
}

/// What the source asks to become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Pruned,
    Unreadable,
    /// It has no tokens.
    Empty,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Pruned => "pruned",
            Self::Unreadable => "unreadable",
            Self::Empty => "without_tokens",
        }
    }
}

/// Whether the target has what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    /// It has changed since, as it may: renewed, rotated, ended.
    Changed,
    /// It differs, with a word for how.
    Differs(&'static str),
}

impl Outcome {
    /// How it differs, if it does.
    pub(crate) const fn difference(self) -> Option<&'static str> {
        match self {
            Self::Differs(how) => Some(how),
            Self::Same | Self::Changed => None,
        }
    }
}

/// Goes through every mapping: first the rows of pairs that are not crowded, then the crowds.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    ground: &'a Ground,
    target: TargetTable,
    keyring: Arc<Keyring>,
    /// Whether the target is open, so that rows may have changed since.
    is_open: bool,
    mapping: usize,
    at: At,
    size: u32,
}

#[derive(Debug)]
enum At {
    Begin,
    Pass(Box<Pass>, Arc<CrowdedPairs>),
    Crowds(Option<PairCursor>),
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(ground: &'a Ground, is_open: bool) -> Result<Self, MigrateError> {
        Ok(Self {
            ground,
            target: ground.target_table()?,
            keyring: Arc::clone(ground.keyring()?),
            is_open,
            mapping: 0,
            at: At::Begin,
            size: BatchSize::new(ground.options.batch.or(Some(1000))).rows(),
        })
    }

    /// The next rows, and the number of their mapping; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(usize, Vec<Examined>)>, MigrateError> {
        while self.mapping < self.ground.tables.len() {
            let mapping = self.mapping;
            if let Some(rows) = self.step().await? {
                return Ok(Some((mapping, self.examine(mapping, rows).await?)));
            }
        }
        Ok(None)
    }

    /// One step; rows, if it came to some.
    async fn step(&mut self) -> Result<Option<Vec<(SourceRow, bool)>>, MigrateError> {
        let ground = self.ground;
        let Some(table) = ground.tables.get(self.mapping) else { return Ok(None) };
        match &mut self.at {
            At::Begin => {
                let crowd = match crowd_size(ground.cap()) {
                    Some(size) => table.crowded_pairs(&ground.source, size).await?,
                    None => CrowdedPairs::default(),
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

    async fn crowds(
        &mut self,
        after: Option<PairCursor>,
    ) -> Result<Vec<(SourceRow, bool)>, MigrateError> {
        let ground = self.ground;
        let (Some(table), Some(mapping), Some(crowd)) = (
            ground.tables.get(self.mapping),
            ground.mappings.mapping.get(self.mapping),
            crowd_size(ground.cap()),
        ) else {
            return Ok(Vec::new());
        };
        let size = BatchSize::crowds(ground.options.batch);
        let page = table.crowds(&ground.source, crowd, after.as_ref(), size).await?;
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

    async fn examine(
        &self,
        mapping: usize,
        rows: Vec<(SourceRow, bool)>,
    ) -> Result<Vec<Examined>, MigrateError> {
        let Some(gate) = self.ground.gate(mapping) else { return Ok(Vec::new()) };
        let key = |(row, is_pruned): (SourceRow, bool)| {
            let id = gate.arrival(&row, is_pruned).id;
            (id, row, is_pruned)
        };
        let rows: Vec<(SessionId, SourceRow, bool)> = rows.into_iter().map(key).collect();
        let ids: Vec<SessionId> = rows.iter().map(|(id, ..)| *id).collect();
        let mut standing = self.target.standings(&self.ground.target, &ids).await?;
        let beside = rows.into_iter().map(|(id, row, is_pruned)| {
            let there = standing.remove(&id);
            (row, is_pruned, there)
        });
        let (beside, keyring, is_open) =
            (beside.collect(), Arc::clone(&self.keyring), self.is_open);
        in_parts(beside, move |(row, is_pruned, there)| {
            Ok(examined(&gate, &keyring, is_open, (row, is_pruned, there)))
        })
        .await
    }
}

fn examined(
    gate: &Gate,
    keyring: &Keyring,
    is_open: bool,
    (row, is_pruned, standing): (SourceRow, bool, Option<Standing>),
) -> Examined {
    let arrival = gate.arrival(&row, is_pruned);
    let (state, id) = (state(&arrival.fate), arrival.id);
    let opened = match &standing {
        Some(Standing::Live(there)) => there.open(keyring),
        _ => None,
    };
    let outcome = match (&arrival.fate, &standing) {
        (Fate::Empty, None) => Outcome::Same,
        (Fate::Empty, Some(_)) => Outcome::Differs("it has no tokens in the source"),
        (_, None) => Outcome::Differs("it is missing in the target"),
        (Fate::Live(live), Some(Standing::Live(_))) => {
            live_outcome(live, standing.as_ref(), opened.as_ref(), is_open)
        }
        (Fate::Aside(reason), Some(Standing::Aside { state, sealed, .. }))
            if state == reason.state() =>
        {
            match is_set_aside(id, sealed, &row, keyring) {
                true => Outcome::Same,
                false => Outcome::Differs("another state of it was set aside"),
            }
        }
        _ => Outcome::Differs("it stands in another place"),
    };
    Examined { id, row, is_pruned, state, outcome, opened, standing }
}

fn live_outcome(
    live: &LiveRow,
    standing: Option<&Standing>,
    opened: Option<&TokenSet>,
    is_open: bool,
) -> Outcome {
    let Some(Standing::Live(there)) = standing else {
        return Outcome::Differs("it is missing in the target");
    };
    if !there.names(live) {
        return Outcome::Differs("its user or provider differs");
    }
    match opened {
        _ if there.is_ended => Outcome::Changed,
        None => Outcome::Differs("its tokens do not open"),
        Some(opened) if there.is_for(live, opened) => Outcome::Same,
        Some(_) if is_open && there.revision > 1 => Outcome::Changed,
        Some(_) => Outcome::Differs("its tokens, times or digest differ"),
    }
}

const fn state(fate: &Fate) -> State {
    match fate {
        Fate::Live(_) => State::Live,
        Fate::Empty => State::Empty,
        Fate::Aside(Reason::Pruned) => State::Pruned,
        Fate::Aside(_) => State::Unreadable,
    }
}
