//! `session-migrate inspect`: what a database holds, for people and as JSON.

use std::fmt::Write as _;

use clap::Args;
use session_migrate::source::{
    Codecs, Inspection, SourceKeys, connect_read_only, inspect, inspect::RecognisedReport,
    inspect::SourceReport, inspect::Tally, row::Expiry,
};

use super::failure::Failure;
use super::moves::Answer;

/// The words of `inspect`.
#[derive(Args)]
pub(crate) struct Inspect {
    /// The database's address: sqlite://FILE, postgres://… or mysql://…
    #[arg(long = "from", value_name = "URL")]
    url: String,
    /// Prints a report as JSON.
    #[arg(long)]
    json: bool,
}

/// The address has a password in it.
impl std::fmt::Debug for Inspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspect").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Inspect {
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }
}

/// Looks at the database. Keys come from the environment alone.
pub(crate) async fn run(words: &Inspect) -> Result<Answer, Failure> {
    let keys = SourceKeys::from_environment(|name| std::env::var(name).ok())?;
    let connection = connect_read_only(&words.url).await?;
    let inspection = inspect(&connection, &Codecs::new(keys)).await;
    // Nothing is left to be done on it.
    let _ = connection.close().await;
    let inspection = inspection?;
    let text = if words.json { json(&inspection) } else { prose(&inspection) };
    let is_good = inspection.recognised.iter().all(|report| report.problems.is_empty());
    Ok(Answer { text, is_good })
}

fn json(inspection: &Inspection) -> String {
    serde_json::to_string_pretty(inspection).unwrap_or_default()
}

fn prose(inspection: &Inspection) -> String {
    let mut text = format!("{} database with {} tables\n", inspection.database, inspection.tables);
    if inspection.has_target {
        text.push_str("it has the table login_session already\n");
    }
    if inspection.recognised.is_empty() {
        text.push_str("no preset fits: write a mapping file\n");
    }
    for report in &inspection.recognised {
        recognised(&mut text, report);
    }
    for miss in &inspection.near_misses {
        let table = miss.table.as_deref().unwrap_or_default();
        let missing = miss.missing.join("; ");
        let _ = writeln!(text, "\nnot {} (table {table}): {missing}", miss.preset);
    }
    text
}

fn recognised(text: &mut String, report: &RecognisedReport) {
    let _ = writeln!(text, "\n{} ({}), because of:", report.preset, report.title);
    let _ = writeln!(text, "  {}", report.because.join(", "));
    for note in &report.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for problem in &report.problems {
        let _ = writeln!(text, "  cannot be read: {problem}");
    }
    if report.sources.is_empty() && report.problems.is_empty() {
        let _ = writeln!(text, "  a likelier preset reads this table");
    }
    for source in &report.sources {
        counted(text, source);
    }
}

fn counted(text: &mut String, source: &SourceReport) {
    let _ = writeln!(
        text,
        "  {}: {} rows of {}, {} filtered out, {} pairs of user and provider",
        source.mapping, source.total.rows, source.table, source.filtered_out, source.pairs
    );
    let histogram = source.rows_per_pair.iter();
    let histogram: Vec<String> =
        histogram.map(|(rows, pairs)| format!("{pairs} with {rows}")).collect();
    let _ = writeln!(text, "    rows per pair: {}", histogram.join(", "));
    if !source.orphans_known {
        let _ = writeln!(text, "    orphans: not known, there is no parent's table");
    }
    tally(text, "all", &source.total);
    for provider in &source.providers {
        tally(text, &format!("{:?}", provider.provider), &provider.tally);
    }
}

fn tally(text: &mut String, name: &str, tally: &Tally) {
    let unreadable: Vec<String> =
        tally.unreadable.iter().map(|(reason, rows)| format!("{reason} {rows}")).collect();
    let _ = write!(text, "    {name}: {} rows, {} readable", tally.rows, tally.readable);
    let expiry = |of| tally.expiry.get(&of).copied().unwrap_or(0);
    let parts = [
        (tally.unreadable_rows(), format!("unreadable ({})", unreadable.join(", "))),
        (tally.without_tokens, "without tokens".to_owned()),
        (tally.orphans, "orphans".to_owned()),
        (tally.cookies, "with a cookie".to_owned()),
        (expiry(Expiry::Absent), "without an expiry".to_owned()),
        (expiry(Expiry::Real), "with a fractional expiry".to_owned()),
        (expiry(Expiry::Odd), "with an expiry that is none".to_owned()),
    ];
    for (rows, what) in parts.iter().filter(|(rows, _)| *rows > 0) {
        let _ = write!(text, ", {rows} {what}");
    }
    text.push('\n');
}
