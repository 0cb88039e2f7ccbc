//! Known row counts of the fixture databases beside the workspace.

use session_migrate::cap::{Count, PartitionBy};
use session_migrate::source::{Codecs, SourceKeys};
use session_tests::database::{Database, Kind};

use crate::dump::{load, unpacked};
use crate::source::Source;
use crate::table::{Mapped, at_most};

/// Checks that each cap leaves this number of rows, by both paths, and that an undo restores the
/// others.
async fn check(source: Source, preset: &str, keys: SourceKeys, kept: &[(u32, usize)]) {
    let mapping = source.recognised(preset).await.mappings.mapping.remove(0);
    let mapped = Mapped { source, mapping, codecs: Codecs::new(keys) };
    let before = mapped.content().await;
    for (max, kept) in kept {
        let cap = at_most(*max).partition(PartitionBy::Pair).count(Count::All);
        let mut ways = Vec::new();
        for prune in [mapped.prune(&cap), mapped.prune(&cap).in_process()] {
            let (report, left) = mapped.pruned(&prune).await;
            assert_eq!(
                (left.len(), usize::try_from(report.rows).unwrap()),
                (*kept, before.len()),
                "{preset} {max}"
            );
            mapped.undo(&report).await;
            assert_eq!(mapped.content().await, before, "{preset} {max}");
            ways.push(left);
        }
        assert_eq!(ways[0], ways[1], "{preset} {max}");
    }
}

#[tokio::test]
async fn openwebui() {
    let Some(bytes) = unpacked("openwebui-0.8.3-rawkey.sqlite.gz") else { return };
    let database = Database::create(Kind::Sqlite).await;
    let file = database.url().strip_prefix("sqlite://").unwrap().split('?').next().unwrap();
    std::fs::write(file, bytes).unwrap();
    let keys = SourceKeys::new("2TIxCF-JSJRdMcKVPP9a8jVKRYeFiYlmSuc7JkLa11k=");
    let kept = [(1, 181), (2, 190), (3, 194), (5, 200), (10, 215)];
    check(Source::on(database).await, "openwebui", keys, &kept).await;
}

async fn on_postgres(name: &str, preset: &str, kept: &[(u32, usize)]) {
    if !Kind::Postgres.is_available() {
        return;
    }
    let Some(dump) = unpacked(name) else { return };
    let source = Source::on(Database::create(Kind::Postgres).await).await;
    load(&source, &String::from_utf8(dump).unwrap()).await;
    check(source, preset, SourceKeys::none(), kept).await;
}

#[tokio::test]
async fn authjs() {
    on_postgres("authjs-pg.sql.gz", "authjs-pg", &[(1, 1200), (2, 1263), (3, 1264)]).await;
}

#[tokio::test]
async fn spring() {
    let kept = [(1, 1664), (2, 1664), (10, 1664)];
    let name = "spring-oauth2-authorized-client-pg.sql.gz";
    on_postgres(name, "spring", &kept).await;
}
