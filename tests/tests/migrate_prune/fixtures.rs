//! Known row counts of the fixture databases beside the workspace.

use session_migrate::cap::{Count, PartitionBy};
use session_migrate::source::{Codecs, SourceKeys};
use session_tests::fixtures::{self, OPENWEBUI_KEY};
use session_tests::source::Source;

use crate::migrate_prune::table::{Mapped, at_most};

/// Checks that each cap leaves this number of rows, by both paths, and that an undo restores the
/// others.
async fn check(source: Source, preset: &str, keys: SourceKeys, kept: &[(u32, usize)]) {
    let mapping = source.recognised(preset).await.mappings.mapping.remove(0);
    let mapped = Mapped { source, mapping, codecs: Codecs::new(keys) };
    let before = mapped.content().await;
    for (max, kept) in kept {
        let cap = at_most(*max).partition(PartitionBy::Provider).count(Count::All);
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
    let Some((source, _)) = fixtures::openwebui().await else { return };
    let keys = SourceKeys::new(OPENWEBUI_KEY);
    let kept = [(1, 181), (2, 190), (3, 194), (5, 200), (10, 215)];
    check(source, "openwebui", keys, &kept).await;
}

#[tokio::test]
async fn authjs() {
    let Some((source, _)) = fixtures::authjs().await else { return };
    let kept = [(1, 1200), (2, 1263), (3, 1264)];
    check(source, "authjs-pg", SourceKeys::none(), &kept).await;
}

#[tokio::test]
async fn spring() {
    let Some((source, _)) = fixtures::spring().await else { return };
    let kept = [(1, 1664), (2, 1664), (10, 1664)];
    check(source, "spring", SourceKeys::none(), &kept).await;
}
