//! Which rows are pruned, by both paths, and that an undo restores them.

use session_core::SessionPolicy;
use session_core::policy::Rule;
use session_migrate::cap::{Cap, Count, PartitionBy};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_prune::table::{apply, at_most, grants, model};
use session_tests::source::Source;

on_every_database! {
    async fn both_paths_leave_what_the_model_leaves(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let before = grants.content().await;
        let rows = grants.rows().await;
        for max in [1, 2, 5] {
            for partition in [PartitionBy::Provider, PartitionBy::Account] {
                for count in [Count::Usable, Count::All] {
                    let cap = at_most(max).partition(partition).count(count);
                    let expected = model(&cap, &grants.mapping, &rows, max as usize);
                    for is_in_process in [false, true] {
                        let prune = grants.prune(&cap);
                        let prune = if is_in_process { prune.in_process() } else { prune };
                        let plan = prune.plan().await.unwrap();
                        assert_eq!(grants.content().await, before, "a plan writes nothing");
                        let (report, left) = grants.pruned(&prune).await;
                        let what = format!("{max} {partition} {count} {is_in_process}");
                        assert_eq!(left, expected, "{what}");
                        assert_eq!(usize::try_from(report.pruned).unwrap(), before.len() - left.len(), "{what}");
                        assert_eq!((plan.pruned, plan.rows), (report.pruned, 400), "{what}");
                        assert_eq!(plan.partitions, report.partitions, "{what}");
                        assert_eq!((report.changed, report.is_stopped), (0, false), "{what}");
                        let by_provider: u64 = report.providers.iter().map(|it| it.pruned).sum();
                        assert_eq!(by_provider, report.pruned, "{what}");
                        // On SQLite, SQL cannot tell whether a token is readable text.
                        let is_sqlite = grants.source.kind() == Kind::Sqlite;
                        let is_set = !is_in_process && (!is_sqlite || count == Count::All);
                        assert_eq!(report.is_set_based, is_set, "{what}");
                        assert_eq!(apply(&prune).await.pruned, 0, "{what}: a second run prunes nothing");
                        grants.undo(&report).await;
                        assert_eq!(grants.content().await, before, "{what}");
                    }
                }
            }
        }
    }

    async fn each_provider_has_its_limit(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let policy = SessionPolicy::builder().max_sessions(3);
        let policy = policy.rule(Rule::for_provider("google").unlimited());
        let policy = policy.rule(Rule::for_provider("Goo*").replace()).build().unwrap();
        let cap = Cap::from_policy(policy).count(Count::All).partition(PartitionBy::Provider);
        let before = grants.content().await;
        let mut reports = Vec::new();
        for prune in [grants.prune(&cap), grants.prune(&cap).in_process()] {
            let (mut report, left) = grants.pruned(&prune).await;
            assert_eq!(report.is_set_based, reports.is_empty());
            grants.undo(&report).await;
            assert_eq!(grants.content().await, before);
            report.undo.clear();
            reports.push((report.providers, report.partitions, left));
        }
        assert_eq!(reports[0], reports[1]);
        let of = |name: &str| reports[0].0.iter().find(|it| it.provider == name).unwrap();
        assert_eq!((of("google").max, of("google").pruned), (None, 0));
        assert_eq!((of("Google").max, of("google ").max, of("").max), (Some(1), Some(3), None));
        assert!(of("Google").pruned > 0 && of("google ").pruned > 0);
        assert_eq!(of("").pruned, 0);
    }

    async fn a_plan_lists_the_victims(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        let before = grants.keys().await;
        let plan = grants.prune(&cap).list(1000).plan().await.unwrap();
        let (_, left) = grants.pruned(&grants.prune(&cap)).await;
        let mut gone: Vec<String> = before.into_iter().filter(|key| !left.contains(key)).collect();
        gone.sort();
        let mut planned: Vec<String> = plan.victims.into_iter().map(|it| it.key).collect();
        planned.sort();
        assert_eq!(planned, gone);
    }

    async fn no_cap_prunes_nothing(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let report = apply(&grants.prune(&Cap::none())).await;
        assert_eq!((report.pruned, report.archive, report.undo.len()), (0, None, 0));
        let tables = grants.source.schema().await.tables.len();
        assert_eq!(tables, 2, "no archive is created");
    }
}
