use std::fmt::Write as _;

use serde::Serialize;
use session_migrate::prune::{ProviderPrune, PrunePlan, PruneReport};

/// What would go, table by table.
#[derive(Serialize)]
pub(crate) struct Plans {
    /// The form of this object: `session-migrate/prune-plans/1`.
    schema: &'static str,
    pub(crate) rows: u64,
    pub(crate) pruned: u64,
    pub(crate) mappings: Vec<PrunePlan>,
}

/// What went, table by table.
#[derive(Serialize)]
pub(crate) struct Reports {
    /// The form of this object: `session-migrate/prunes/1`.
    schema: &'static str,
    pub(crate) rows: u64,
    pub(crate) pruned: u64,
    pub(crate) is_stopped: bool,
    pub(crate) mappings: Vec<PruneReport>,
}

impl Default for Plans {
    fn default() -> Self {
        let schema = "session-migrate/prune-plans/1";
        Self { schema, rows: 0, pruned: 0, mappings: Vec::new() }
    }
}

impl Default for Reports {
    fn default() -> Self {
        let schema = "session-migrate/prunes/1";
        Self { schema, rows: 0, pruned: 0, is_stopped: false, mappings: Vec::new() }
    }
}

/// What would go, for people.
///
/// Keys are left to the JSON: one can be a cookie.
pub(crate) fn prune_plans(plans: &Plans) -> String {
    let mut text = String::new();
    for plan in &plans.mappings {
        let _ = writeln!(
            text,
            "{}: {} of {} rows would go, from {} partitions",
            plan.mapping, plan.pruned, plan.rows, plan.partitions
        );
        providers(&mut text, &plan.providers);
    }
    text.push_str("nothing was written; --yes archives and deletes them");
    text
}

/// What went, for people.
pub(crate) fn prunes(reports: &Reports) -> String {
    let mut lines = Vec::new();
    for report in &reports.mappings {
        let mut text = format!(
            "{}: {} of {} rows went, from {} partitions, run {}",
            report.mapping, report.pruned, report.rows, report.partitions, report.run
        );
        if report.changed > 0 {
            let _ =
                write!(text, "\n  {} had changed meanwhile, and were ranked again", report.changed);
        }
        if let Some(archive) = &report.archive {
            let _ =
                write!(text, "\n  they are in {archive}; to put them back, in one transaction:");
        }
        for statement in &report.undo {
            let _ = write!(text, "\n    {statement};");
        }
        if report.is_stopped {
            text.push_str("\n  stopped; the same call goes on");
        }
        lines.push(text);
    }
    lines.join("\n")
}

fn providers(text: &mut String, providers: &[ProviderPrune]) {
    for of in providers {
        let max = of.max.map_or_else(|| "any number".to_owned(), |max| format!("at most {max}"));
        let _ = writeln!(
            text,
            "  {:?}: {} rows, {} would go ({max} each)",
            of.provider, of.rows, of.pruned
        );
    }
}
