//! A table to prune, its rows, and a naive model of what a cap leaves.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use sea_orm::ConnectionTrait as _;
use session_core::ProviderName;
use session_migrate::cap::{CandidateReader, Cap, Count};
use session_migrate::prune::{Prune, PruneReport};
use session_migrate::source::{Codecs, Mapping, Mappings, SourceRow};

use session_tests::source::Source;

pub(crate) fn at_most(max: u32) -> Cap {
    Cap::max_sessions(NonZeroU32::new(max).unwrap())
}

/// A source with one mapping.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) source: Source,
    pub(crate) mapping: Mapping,
    pub(crate) codecs: Codecs,
}

impl Mapped {
    pub(crate) fn prune(&self, cap: &Cap) -> Prune {
        let (url, codecs) = (self.source.database.url(), self.codecs.clone());
        Prune::new(url, self.mapping.clone(), codecs, cap.clone())
    }

    pub(crate) async fn rows(&self) -> Vec<SourceRow> {
        Box::pin(self.source.rows(&self.mapping, &self.codecs)).await
    }

    /// Returns each row's key and stored values, sorted.
    pub(crate) async fn content(&self) -> Vec<(String, Vec<String>)> {
        let mut content: Vec<_> = self.rows().await.iter().map(content).collect();
        content.sort();
        content
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        self.content().await.into_iter().map(|(key, _)| key).collect()
    }

    /// Prunes the table, and returns the report and the keys that are left.
    pub(crate) async fn pruned(&self, prune: &Prune) -> (PruneReport, Vec<String>) {
        let report = apply(prune).await;
        (report, self.keys().await)
    }

    /// Restores the rows that a run pruned.
    pub(crate) async fn undo(&self, report: &PruneReport) {
        for sql in &report.undo {
            self.source.connection.execute_unprepared(sql).await.unwrap();
        }
    }
}

pub(crate) async fn apply(prune: &Prune) -> PruneReport {
    Box::pin(prune.apply(|_| (), &AtomicBool::new(false))).await.unwrap()
}

fn content(row: &SourceRow) -> (String, Vec<String>) {
    let stored = row.stored.iter().map(|stored| {
        let cell = &stored.cell;
        let bytes = cell.as_bytes().map(<[u8]>::to_vec);
        let text = cell.as_text().map(std::borrow::Cow::into_owned);
        format!("{} {} {bytes:?} {text:?}", stored.column, cell.class())
    });
    (row.key.to_string(), stored.collect())
}

/// Returns the keys that are left if each partition is sorted and cut off at `max`.
pub(crate) fn model(cap: &Cap, mapping: &Mapping, rows: &[SourceRow], max: usize) -> Vec<String> {
    let candidates = CandidateReader::new(cap, mapping).unwrap();
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut left = Vec::new();
    for row in rows {
        let key = row.key.to_string();
        let Some(it) = candidates.candidate(row) else {
            left.push(key);
            continue;
        };
        if ProviderName::new(&it.provider).is_err() {
            left.push(key);
            continue;
        }
        let usable = it.is_usable || cap.counted() == Count::All;
        let rank = (usable, it.newest, it.key.clone());
        partitions.entry((it.user, it.provider, it.account)).or_default().push((rank, key));
    }
    for mut members in partitions.into_values() {
        members.sort_by(|one, other| other.cmp(one));
        left.extend(members.into_iter().take(max).map(|(_, key)| key));
    }
    left.sort();
    left
}

pub(crate) const GRANTS: &str = r#"
    [[mapping]]
    table = "grants"
    key = ["id"]
    user = { column = "person" }
    provider = { column = "provider" }
    account = { column = "account" }
    tokens.access = { column = "token" }
    tokens.refresh = { column = "refresh" }
    created = { column = "created", unit = "s" }
    newest_by = "created"
    parent = [{ table = "people", column = "id" }]
"#;

/// Creates rows with every difficulty: case, trailing blanks, ties, no time, two accounts, orphans,
/// no tokens, no user, and an invalid provider name.
pub(crate) async fn grants(source: Source) -> Mapped {
    source
        .run(
            "CREATE TABLE people (id VARCHAR(64) NOT NULL PRIMARY KEY);
CREATE TABLE grants (id {id}, person VARCHAR(64) NULL, provider VARCHAR(64) NULL,
  account VARCHAR(64) NULL, token TEXT NULL, refresh TEXT NULL, created BIGINT NULL, note {bytes} NULL);
INSERT INTO people VALUES ('ann'), ('bob'), ('zoë')",
        )
        .await;
    let people = ["'ann'", "'ANN'", "'bob'", "'gone'", "'zoë'", "'ann '", "NULL"];
    let providers = ["'google'", "'google'", "'Google'", "'google '", "'okta'", "''", "NULL"];
    let accounts = ["NULL", "'a1'", "'A1'", "''", "'a1'"];
    let tokens = ["'at'", "'at'", "''", "NULL", "'at'", "' '"];
    let moments = ["1000", "1000", "NULL", "2000", "-5", "999999999999999", "3000"];
    let mut state = 7_usize;
    let mut next = |of: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % of
    };
    let mut rows = Vec::new();
    for id in 1..=400 {
        // One user and provider has more rows than the others.
        let (person, provider) =
            if id % 5 == 0 { (0, 0) } else { (next(people.len()), next(providers.len())) };
        rows.push(format!(
            "({id}, {}, {}, {}, {}, {}, {}, NULL)",
            people[person],
            providers[provider],
            accounts[next(accounts.len())],
            tokens[next(tokens.len())],
            tokens[next(tokens.len())],
            moments[next(moments.len())],
        ));
    }
    source.run(&format!("INSERT INTO grants VALUES {}", rows.join(", "))).await;
    mapped(source, GRANTS)
}

pub(crate) fn mapped(source: Source, toml: &str) -> Mapped {
    let mapping = Mappings::from_toml(toml).unwrap().mapping.remove(0);
    let codecs = Codecs::new(session_migrate::source::SourceKeys::none());
    Mapped { source, mapping, codecs }
}
