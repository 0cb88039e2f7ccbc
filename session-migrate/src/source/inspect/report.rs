//! What an inspection reports.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::source::mapping::{Mapping, Mappings};
use crate::source::preset::Recognition;
use crate::source::row::{Expiry, NO_NAME, RowTokens, SourceRow};
use crate::sql::Schema;

/// How many providers are counted separately; further ones are counted together.
const MAX_PROVIDERS: usize = 10_000;
const OTHERS: &str = "(others)";
const NONE: &str = "(none)";

/// What a database holds, without any token or key of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The version of this report's format: `session-migrate/inspect/1`.
    pub schema: &'static str,
    /// `sqlite`, `postgres` or `mysql`.
    pub database: &'static str,
    /// How many tables the schema has.
    pub tables: usize,
    /// Whether the target's table `login_session` exists already.
    pub has_target: bool,
    /// The presets that match, the most likely first.
    pub recognised: Vec<RecognisedReport>,
    /// Presets that nearly match, and what is missing.
    pub near_misses: Vec<MismatchReport>,
}

/// A preset that matches, and what its tables hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecognisedReport {
    /// The preset's name, for `--preset`.
    pub preset: &'static str,
    /// Its title.
    pub title: String,
    /// The table by which it was recognised.
    pub table: String,
    /// The strength of the match.
    pub score: u32,
    /// Why it matches.
    pub because: Vec<String>,
    /// Remarks for users.
    pub notes: Vec<String>,
    /// The mappings, as in a mapping file.
    pub mappings: Mappings,
    /// What each mapped table holds. Empty where a more likely preset reads the same table.
    pub sources: Vec<SourceReport>,
    /// Why a table could not be read.
    pub problems: Vec<String>,
}

/// A preset that nearly matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MismatchReport {
    /// The preset's name.
    pub preset: &'static str,
    /// The table with its name.
    pub table: Option<String>,
    /// How many of its columns exist.
    pub matched: usize,
    /// What is missing or differs.
    pub missing: Vec<String>,
    /// Whether the preset can be chosen nevertheless, with `--preset`: only what distinguishes its
    /// project is missing.
    pub fits: bool,
}

/// What one mapped table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceReport {
    /// The mapping's name.
    pub mapping: String,
    /// The table.
    pub table: String,
    /// The columns of the key.
    pub key: Vec<String>,
    /// Whether a unique index covers the key.
    pub is_key_indexed: bool,
    /// All rows of the table.
    pub rows_in_table: u64,
    /// The rows that the filter leaves out.
    pub filtered_out: u64,
    /// For each number of rows, how many partitions (user and provider, compared byte for byte)
    /// have it.
    pub rows_per_pair: BTreeMap<u64, u64>,
    /// The number of partitions: distinct users and providers.
    pub pairs: u64,
    /// Whether the mapping has parents, so that orphans can be recognised.
    pub orphans_known: bool,
    /// The counts over all rows that were read.
    pub total: Tally,
    /// The counts for each provider.
    pub providers: Vec<ProviderReport>,
}

/// What the rows of one provider hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderReport {
    /// The provider's name, as it is stored.
    pub provider: String,
    /// Its counts.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Counts of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// All rows.
    pub rows: u64,
    /// Rows whose tokens can be decrypted.
    pub readable: u64,
    /// Rows whose tokens cannot be decrypted, by the reason.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// Rows without an access or a refresh token.
    pub without_tokens: u64,
    /// Rows whose user, or another parent, is missing.
    pub orphans: u64,
    /// Rows with a cookie.
    pub cookies: u64,
    /// Rows with a decrypted refresh token.
    pub with_refresh_token: u64,
    /// Rows with a decrypted ID token.
    pub with_id_token: u64,
    /// Rows that name a user and a provider.
    pub attributable: u64,
    /// What the rows store for the access token's expiry.
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
            fits: mismatch.fits,
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
        self.add_as(row, None);
    }

    /// Adds a row as a move reads it: one without a user or a provider is set aside like one that
    /// does not open.
    pub(crate) fn add_planned(&mut self, row: &SourceRow) {
        self.add_as(row, row.owner().is_none().then_some(NO_NAME));
    }

    /// Adds a row that does not open for this reason, if one is given, even if its tokens do.
    fn add_as(&mut self, row: &SourceRow, unreadable: Option<&'static str>) {
        self.total.add(row, unreadable);
        let provider = row.provider.as_deref().unwrap_or(NONE);
        let at = self.providers.binary_search_by(|known| known.provider.as_str().cmp(provider));
        let at = match at {
            Err(at) if self.providers.len() < MAX_PROVIDERS => {
                let report =
                    ProviderReport { provider: provider.to_owned(), tally: Tally::default() };
                self.providers.insert(at, report);
                at
            }
            Err(_) => return self.add_to_others(row, unreadable),
            Ok(at) => at,
        };
        if let Some(report) = self.providers.get_mut(at) {
            report.tally.add(row, unreadable);
        }
    }

    fn add_to_others(&mut self, row: &SourceRow, unreadable: Option<&'static str>) {
        // After the sorted ones, so that these stay sorted.
        if self.providers.len() == MAX_PROVIDERS {
            let report = ProviderReport { provider: OTHERS.to_owned(), tally: Tally::default() };
            self.providers.push(report);
        }
        if let Some(last) = self.providers.last_mut() {
            last.tally.add(row, unreadable);
        }
    }

    pub(crate) fn finish(&mut self) {
        self.pairs = self.rows_per_pair.values().sum();
        let passed: u64 = self.rows_per_pair.iter().map(|(rows, pairs)| rows * pairs).sum();
        self.filtered_out = self.rows_in_table.saturating_sub(passed);
    }
}

impl Tally {
    fn add(&mut self, row: &SourceRow, unreadable: Option<&'static str>) {
        self.rows += 1;
        self.orphans += u64::from(row.is_orphan);
        self.cookies += u64::from(row.cookie.is_some());
        self.attributable += u64::from(row.user.is_some() && row.provider.is_some());
        *self.expiry.entry(row.expiry).or_default() += 1;
        match (&row.tokens, unreadable) {
            (RowTokens::Absent, _) => self.without_tokens += 1,
            (RowTokens::Unreadable(why), _) => {
                *self.unreadable.entry(why.reason.code()).or_default() += 1;
            }
            (RowTokens::Opened(_), Some(code)) => {
                *self.unreadable.entry(code).or_default() += 1;
            }
            (RowTokens::Opened(tokens), None) => {
                self.readable += 1;
                self.with_refresh_token += u64::from(tokens.refresh().is_some());
                self.with_id_token += u64::from(tokens.id().is_some());
                // A row counts by the oldest of its keys.
                let key = tokens.keys().iter().max().map(ToString::to_string);
                *self.opened_by.entry(key.unwrap_or_default()).or_default() += 1;
            }
        }
    }

    /// Returns the number of rows whose tokens cannot be decrypted.
    #[must_use]
    pub fn unreadable_rows(&self) -> u64 {
        self.unreadable.values().sum()
    }
}
