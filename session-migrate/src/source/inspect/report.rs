use std::collections::BTreeMap;

use serde::Serialize;

use crate::source::mapping::{Mapping, Mappings};
use crate::source::preset::Recognition;
use crate::source::row::{Expiry, RowTokens, SourceRow};
use crate::sql::Schema;

/// So many providers are told apart; what comes beyond is counted together.
const MAX_PROVIDERS: usize = 10_000;
const OTHERS: &str = "(others)";
const NONE: &str = "(none)";

/// What a database holds. It has no token in it, and no key of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The version of this report's form: `session-migrate/inspect/1`.
    pub schema: &'static str,
    /// `sqlite`, `postgres` or `mysql`.
    pub database: &'static str,
    /// How many tables the schema has.
    pub tables: usize,
    /// Whether the target's table `login_session` is there already.
    pub has_target: bool,
    /// The presets that fit, the likeliest first.
    pub recognised: Vec<RecognisedReport>,
    /// Presets of which a table has the name, and what is missing.
    pub near_misses: Vec<MismatchReport>,
}

/// A preset that fits, and what is in its tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecognisedReport {
    /// The preset's name, for `--preset`.
    pub preset: &'static str,
    /// What it is.
    pub title: String,
    /// The table that it was found by.
    pub table: String,
    /// How much speaks for it.
    pub score: u32,
    /// Why it fits.
    pub because: Vec<String>,
    /// What its users should know.
    pub notes: Vec<String>,
    /// The mappings, as a mapping file would say them.
    pub mappings: Mappings,
    /// What is in each mapped table. None where a likelier preset reads the same table.
    pub sources: Vec<SourceReport>,
    /// Why a table could not be read.
    pub problems: Vec<String>,
}

/// A preset that nearly fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MismatchReport {
    /// The preset's name.
    pub preset: &'static str,
    /// The table that has its name.
    pub table: Option<String>,
    /// How many of its columns are there.
    pub matched: usize,
    /// What is missing or otherwise.
    pub missing: Vec<String>,
}

/// What is in one mapped table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceReport {
    /// The mapping's name.
    pub mapping: String,
    /// The table.
    pub table: String,
    /// The columns of the key.
    pub key: Vec<String>,
    /// Whether a unique index has that key.
    pub is_key_indexed: bool,
    /// All rows of the table.
    pub rows_in_table: u64,
    /// The rows that the filter leaves out.
    pub filtered_out: u64,
    /// How many users have rows with how many rows of one provider, compared byte for byte.
    pub rows_per_pair: BTreeMap<u64, u64>,
    /// Pairs of user and provider.
    pub pairs: u64,
    /// Whether a parent's table tells which rows are orphans.
    pub orphans_known: bool,
    /// All rows that are read.
    pub total: Tally,
    /// The same, for each provider.
    pub providers: Vec<ProviderReport>,
}

/// What is in the rows of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderReport {
    /// The provider's name, as it is stored.
    pub provider: String,
    /// Its rows.
    #[serde(flatten)]
    pub tally: Tally,
}

/// How many rows are how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// Rows whose tokens open.
    pub readable: u64,
    /// Rows whose tokens do not, by the reason.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// Rows without an access or a refresh token.
    pub without_tokens: u64,
    /// Rows whose user, or another parent, is gone.
    pub orphans: u64,
    /// Rows that a cookie points at.
    pub cookies: u64,
    /// Rows with a refresh token that opens.
    pub with_refresh_token: u64,
    /// Rows with an ID token that opens.
    pub with_id_token: u64,
    /// Rows that name a user and a provider.
    pub attributable: u64,
    /// What the rows say of the access token's expiry.
    pub expiry: BTreeMap<Expiry, u64>,
    /// Which keys opened tokens: `none`, `current`, `old-1` and so on.
    pub opened_by: BTreeMap<String, u64>,
}

impl Inspection {
    pub(super) fn new(schema: &Schema, recognition: &Recognition) -> Self {
        let recognised = recognition.matches.iter().map(|found| RecognisedReport {
            preset: found.preset,
            title: found.title.clone(),
            table: found.table.clone(),
            score: found.score,
            because: found.because.clone(),
            notes: found.notes.clone(),
            mappings: found.mappings.clone(),
            sources: Vec::new(),
            problems: Vec::new(),
        });
        let near_misses = recognition.near_misses.iter().map(|mismatch| MismatchReport {
            preset: mismatch.preset,
            table: mismatch.table.clone(),
            matched: mismatch.matched,
            missing: mismatch.missing.clone(),
        });
        Self {
            schema: "session-migrate/inspect/1",
            database: schema.database,
            tables: schema.tables.len(),
            has_target: schema.tables.iter().any(|table| table.name == "login_session"),
            recognised: recognised.collect(),
            near_misses: near_misses.collect(),
        }
    }
}

impl SourceReport {
    pub(super) fn new(mapping: &Mapping, is_key_indexed: bool) -> Self {
        Self {
            mapping: mapping.name().to_owned(),
            table: mapping.table.clone(),
            key: mapping.key.clone(),
            is_key_indexed,
            rows_in_table: 0,
            filtered_out: 0,
            rows_per_pair: BTreeMap::new(),
            pairs: 0,
            orphans_known: false,
            total: Tally::default(),
            providers: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: &SourceRow) {
        self.total.add(row);
        let provider = row.provider.as_deref().unwrap_or(NONE);
        let at = self.providers.binary_search_by(|known| known.provider.as_str().cmp(provider));
        let at = match at {
            Err(at) if self.providers.len() < MAX_PROVIDERS => {
                let report =
                    ProviderReport { provider: provider.to_owned(), tally: Tally::default() };
                self.providers.insert(at, report);
                at
            }
            Err(_) => return self.add_to_others(row),
            Ok(at) => at,
        };
        if let Some(report) = self.providers.get_mut(at) {
            report.tally.add(row);
        }
    }

    fn add_to_others(&mut self, row: &SourceRow) {
        // Behind the end, so that the sorted ones stay sorted.
        if self.providers.len() == MAX_PROVIDERS {
            let report = ProviderReport { provider: OTHERS.to_owned(), tally: Tally::default() };
            self.providers.push(report);
        }
        if let Some(last) = self.providers.last_mut() {
            last.tally.add(row);
        }
    }

    pub(crate) fn finish(&mut self) {
        self.pairs = self.rows_per_pair.values().sum();
        let passed: u64 = self.rows_per_pair.iter().map(|(rows, pairs)| rows * pairs).sum();
        self.filtered_out = self.rows_in_table.saturating_sub(passed);
    }
}

impl Tally {
    fn add(&mut self, row: &SourceRow) {
        self.rows += 1;
        self.orphans += u64::from(row.is_orphan);
        self.cookies += u64::from(row.cookie.is_some());
        self.attributable += u64::from(row.user.is_some() && row.provider.is_some());
        *self.expiry.entry(row.expiry).or_default() += 1;
        match &row.tokens {
            RowTokens::Absent => self.without_tokens += 1,
            RowTokens::Unreadable(why) => {
                *self.unreadable.entry(why.reason.code()).or_default() += 1;
            }
            RowTokens::Opened(tokens) => {
                self.readable += 1;
                self.with_refresh_token += u64::from(tokens.refresh().is_some());
                self.with_id_token += u64::from(tokens.id().is_some());
                // A row counts by the oldest of its keys.
                let key = tokens.keys().iter().max().map(ToString::to_string);
                *self.opened_by.entry(key.unwrap_or_default()).or_default() += 1;
            }
        }
    }

    /// Rows whose tokens do not open.
    #[must_use]
    pub fn unreadable_rows(&self) -> u64 {
        self.unreadable.values().sum()
    }
}
