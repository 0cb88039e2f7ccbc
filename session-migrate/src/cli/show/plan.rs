use std::fmt::Write as _;

use session_migrate::report::{Plan, PlannedMapping};
use session_migrate::source::row::Expiry;

/// So many victims are shown; all are in the JSON.
const MOST_SHOWN: usize = 10;

/// A plan for people, with its statements if they were asked for.
pub(crate) fn plan(plan: &Plan, statements: &[String]) -> String {
    let mut text =
        format!("{} plan: {} into {}, {}\n", plan.mode, plan.source, plan.target, plan.cap);
    for mapping in &plan.mappings {
        planned(&mut text, mapping);
    }
    let _ = writeln!(
        text,
        "takes about {} s; the source refuses writes for about {} s of them",
        plan.estimate.seconds, plan.estimate.bar_seconds
    );
    for line in &plan.irreversible {
        let _ = writeln!(text, "{line}");
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for statement in statements {
        let is_comment = statement.starts_with("--");
        let _ = writeln!(text, "{statement}{}", if is_comment { "" } else { ";" });
    }
    let _ = write!(text, "plan: {}", plan.digest);
    text
}

fn planned(text: &mut String, mapping: &PlannedMapping) {
    let (source, total) = (&mapping.source, &mapping.source.total);
    let pairs: Vec<String> =
        source.rows_per_pair.iter().map(|(rows, pairs)| format!("{pairs} with {rows}")).collect();
    let _ = writeln!(
        text,
        "{}: {} rows of {}, {} filtered out\n  pairs of user and provider: {} ({})",
        source.mapping,
        total.rows,
        source.table,
        source.filtered_out,
        source.pairs,
        pairs.join(", ")
    );
    let expiry = |of| total.expiry.get(&of).copied().unwrap_or(0);
    let _ = writeln!(
        text,
        "  {} readable, {} unreadable, {} without tokens, {} orphans, {} with a cookie\n  expiry: \
         {} absent, {} fractional, {} odd; {} ties",
        total.readable,
        total.unreadable_rows(),
        total.without_tokens,
        total.orphans,
        total.cookies,
        expiry(Expiry::Absent),
        expiry(Expiry::Real),
        expiry(Expiry::Odd),
        mapping.ties
    );
    for provider in &source.providers {
        let pruned = mapping.pruned_by_provider.get(&provider.provider).copied().unwrap_or(0);
        let _ = writeln!(
            text,
            "  {:?}: {} rows, {pruned} pruned",
            provider.provider, provider.tally.rows
        );
    }
    let _ = writeln!(text, "  pruned: {}", mapping.pruned);
    for victim in mapping.victims.iter().take(MOST_SHOWN) {
        let key = victim.source_key.as_deref().unwrap_or("(a cookie)");
        let _ = writeln!(text, "    {} {key}: {}", victim.id, victim.why);
    }
}
