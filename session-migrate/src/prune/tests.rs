//! The fast path keeps exactly the rows that the policy keeps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
use session_core::SessionPolicy;
use session_core::policy::Rule;

use super::Prune;
use super::table::PrunableTable;
use super::victims::VictimTable;
use crate::cap::{Candidate, CandidateReader, Cap, Count, PartitionBy, rank};
use crate::source::{Codecs, Mappings, SourceKeys, SourceRow};

/// A row's values, as SQL literals: user, provider, account, subject, access token, refresh token,
/// ID token, time.
type Literals = [&'static str; 8];

/// Values that both sides read alike, so that the fast path must be taken.
const CLEAR: [&[&str]; 8] = [
    &["'ann'", "'ann'", "'ANN'", "'ann '", "'zoë'", "''", "7", "'7'", "NULL", "'a'||char(1)"],
    &["'google'", "'google'", "'Google'", "'google '", "'okta'", "''", "3", "NULL"],
    &["NULL", "''", "'a'", "'A'", "'é'", "7"],
    &["NULL", "NULL", "''", "'a'", "'s'"],
    &["'at'", "'at'", "''", "' '", "NULL", "5", "x'00'"],
    &["NULL", "''", "'rt'"],
    &["NULL", "''"],
    &[
        "NULL",
        "1000",
        "1000",
        "1001",
        "1000.0004",
        "1000.0005",
        "1760000000.123",
        "1760000000123",
        "99999999999",
        "100000000000",
        "-5",
        "0",
        "253402300799",
        "253402300799999",
        "253402300800000",
        "-9223372036854775808",
        "1e300",
    ],
];

/// Values that SQL could read in another way than this process. A `REAL` is not among the users and
/// providers: over-cap rows are found by the text of the database, which is `7.0` and not `7`.
const DOUBTFUL: [&[&str]; 8] = [
    &["'ann'", "7", "x'616e6e'", "x'ff'", "CAST(x'ff' AS TEXT)", "CAST(x'6100ff' AS TEXT)"],
    &["'google'", "3", "x'ff'", "CAST(x'ff' AS TEXT)", "x'676f6f676c65'"],
    &["NULL", "'a'", "x'61'", "CAST(x'ff' AS TEXT)", "1.0", "1"],
    &["NULL", "'a'", "x'61'", "CAST(x'c328' AS TEXT)"],
    &["NULL", "''", "'at'", "x'ff'"],
    &["NULL", "CAST(x'ff' AS TEXT)"],
    &["NULL", "'it'", "x'ff'", "5"],
    &["1000", "'1000'", "' 1001 '", "'2025-10-09T12:00:00Z'", "'soon'", "x'31'", "''"],
];

fn rows(values: [&'static [&'static str]; 8]) -> impl Strategy<Value = Vec<Literals>> {
    prop::collection::vec(values.map(select), 0..40)
}

fn mixed() -> impl Strategy<Value = Vec<Literals>> {
    let columns: [_; 8] =
        std::array::from_fn(|at| prop_oneof![9 => select(CLEAR[at]), 1 => select(DOUBTFUL[at])]);
    prop::collection::vec(columns, 0..40)
}

fn caps() -> impl Strategy<Value = Cap> {
    let partition = select(&[PartitionBy::Provider, PartitionBy::Account][..]);
    (1_u32..4, any::<bool>(), partition).prop_map(|(max, by_policy, partition)| {
        let cap = if by_policy {
            let policy = SessionPolicy::builder()
                .max_sessions(max)
                .rule(Rule::for_provider("google").unlimited())
                .rule(Rule::for_provider("Goo*").replace());
            Cap::from_policy(policy.build().unwrap())
        } else {
            Cap::max_sessions(max.try_into().unwrap())
        };
        cap.partition(partition)
    })
}

/// How the table is keyed, and which of its columns are mapped.
#[derive(Debug, Clone)]
struct Shape {
    key: &'static str,
    columns: &'static str,
    constraint: &'static str,
    provider: &'static str,
    optional: Vec<&'static str>,
    unit: &'static str,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let keys = [
        (r#"["id"]"#, "id INTEGER NOT NULL PRIMARY KEY, part", ""),
        (r#"["id"]"#, "id TEXT NOT NULL PRIMARY KEY, part", ""),
        (r#"["part", "id"]"#, "id INTEGER NOT NULL, part NOT NULL", "PRIMARY KEY (part, id)"),
    ];
    let provider = select(&[r#"{ column = "provider" }"#, r#"{ constant = "Goo" }"#][..]);
    let optional = [
        r#"account = { column = "account" }"#,
        r#"client = { column = "subject" }"#,
        r#"identity.subject = { column = "subject" }"#,
        r#"tokens.refresh = { column = "refresh" }"#,
        r#"tokens.id = { column = "id_token" }"#,
    ];
    let optional = prop::sample::subsequence(optional.to_vec(), 0..=5);
    let unit = select(&["", "s", "ms", "timestamp"][..]);
    (select(keys.to_vec()), provider, optional, unit).prop_map(
        |((key, columns, constraint), provider, optional, unit)| Shape {
            key,
            columns,
            constraint,
            provider,
            optional,
            unit,
        },
    )
}

impl Shape {
    fn mapping(&self) -> String {
        let time = match self.unit {
            "" => String::new(),
            unit => format!(
                "created = {{ column = \"at\", unit = \"{unit}\" }}\nnewest_by = \"created\"\n"
            ),
        };
        format!(
            "[[mapping]]\ntable = \"grants\"\nkey = {}\nuser = {{ column = \"person\" }}\n\
             provider = {}\ntokens.access = {{ column = \"access\" }}\n{time}{}\n",
            self.key,
            self.provider,
            self.optional.join("\n")
        )
    }

    fn create(&self) -> String {
        let constraint = match self.constraint {
            "" => String::new(),
            constraint => format!(", {constraint}"),
        };
        let end = if constraint.is_empty() { "" } else { " WITHOUT ROWID" };
        format!(
            "CREATE TABLE grants ({}, person, provider, account, subject, access, refresh, \
             id_token, at{constraint}){end}",
            self.columns
        )
    }

    fn insert(&self, rows: &[Literals]) -> String {
        let parts = ["'x'", "'X'", "1", "1.5", "x'00'"];
        let row = |(at, row): (usize, &Literals)| {
            let id = match self.columns.starts_with("id TEXT") {
                true => format!("'{}{at}'", if at % 3 == 0 { "k" } else { "K" }),
                // The newer rows have the lower ids.
                false => (1000 - at).to_string(),
            };
            format!("({id}, {}, {})", parts[at % parts.len()], row.join(", "))
        };
        let rows: Vec<String> = rows.iter().enumerate().map(row).collect();
        format!("INSERT INTO grants VALUES {}", rows.join(", "))
    }
}

/// The keys of the victims with their reasons, and the number of over-cap partitions.
type Victims = (BTreeMap<String, String>, u64);

/// Returns the victims that the policy names among all rows.
async fn by_policy(table: &PrunableTable, cap: &Cap) -> Victims {
    let candidates = CandidateReader::new(cap, table.source.mapping()).unwrap();
    let (rows, _) = table.source.batch(&table.connection, None, 1000).await.unwrap();
    let (rows, ranked): (Vec<&SourceRow>, Vec<Candidate>) =
        rows.iter().filter_map(|row| Some((row, candidates.candidate(row)?))).unzip();
    let (mut victims, mut partitions) = (BTreeMap::new(), BTreeSet::new());
    for ((row, candidate), rank) in rows.iter().zip(&ranked).zip(rank(cap, &ranked)) {
        if let Some(reason) = rank.leaves {
            victims.insert(row.key.to_string(), reason.as_str().to_owned());
            let Candidate { user, provider, account, client, .. } = candidate;
            partitions.insert((user, provider, account, client));
        }
    }
    let partitions = partitions.len() as u64;
    (victims, partitions)
}

/// Compares the victims of a prune with those of the policy; returns whether the fast path ranked
/// them.
async fn compare(rows: &[Literals], shape: &Shape, cap: &Cap) -> Result<bool, TestCaseError> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).min_connections(1).idle_timeout(None).sqlx_logging(false);
    let connection = Database::connect(options).await.unwrap();
    connection.execute_unprepared(&shape.create()).await.unwrap();
    if !rows.is_empty() {
        connection.execute_unprepared(&shape.insert(rows)).await.unwrap();
    }
    let mapping = Mappings::from_toml(&shape.mapping()).unwrap().mapping.remove(0);
    let codecs = Codecs::new(SourceKeys::none());
    let table = PrunableTable::open(connection, &mapping, &codecs, cap).await.unwrap();
    let victims = VictimTable::new(&table, cap.moment(&mapping).unwrap()).unwrap();
    let prune = Prune::new("sqlite::memory:", mapping, codecs, cap.clone()).list(u32::MAX);
    let expected = by_policy(&table, cap).await;
    let mut is_set_based = false;
    for prune in [prune.clone(), prune.in_process()] {
        let ranking = prune.rank(&table, &victims).await.unwrap();
        let listed = prune.list_victims(&table, &victims).await.unwrap();
        let listed = listed.into_iter().map(|victim| (victim.key, victim.reason)).collect();
        prop_assert_eq!(&(listed, ranking.partitions), &expected);
        is_set_based |= ranking.is_set_based;
    }
    table.close().await;
    Ok(is_set_based)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn the_sql_keeps_exactly_the_rows_that_the_policy_keeps(
        rows in rows(CLEAR), shape in shapes(), cap in caps(),
    ) {
        let cap = cap.count(Count::All);
        let is_set_based = block_on(compare(&rows, &shape, &cap))?;
        // An ID token can hold the subject.
        let has_id_token = shape.optional.iter().any(|it| it.starts_with("tokens.id"));
        let is_expected = !(has_id_token && cap.partition_by() == PartitionBy::Account);
        prop_assert_eq!(is_set_based, is_expected);
    }

    #[test]
    fn a_table_with_doubtful_rows_is_pruned_as_the_policy_prunes_it(
        rows in mixed(), shape in shapes(), cap in caps(), is_usable in any::<bool>(),
    ) {
        let cap = cap.count(if is_usable { Count::Usable } else { Count::All });
        // With usable rows first, a table without a readable row is refused.
        let first = ["'ann'", "'okta'", "NULL", "NULL", "'at'", "NULL", "NULL", "NULL"];
        let rows = [&[first][..], &rows].concat();
        block_on(compare(&rows, &shape, &cap))?;
    }
}
