//! `session-migrate inspect`: recognises a schema and counts its rows.

use std::fmt::Write as _;

use clap::Args;
use session_migrate::source::{
    Codecs, Inspection, SourceKeys, connect_read_only, inspect, inspect::RecognisedReport,
    inspect::SourceReport, inspect::Tally, row::Expiry,
};

use super::CommandOutput;
use super::error::CliError;

/// The arguments of `inspect`.
#[derive(Args)]
pub(crate) struct InspectArgs {
    /// The address of the database: sqlite://FILE, postgres://… or mysql://…
    #[arg(long = "from", value_name = "URL")]
    url: String,
    /// Prints a report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Leaves out the address, which can contain a password.
impl std::fmt::Debug for InspectArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InspectArgs").field("json", &self.json).finish_non_exhaustive()
    }
}

/// Inspects the database. Keys come from the environment only.
pub(crate) async fn run(args: &InspectArgs) -> Result<CommandOutput, CliError> {
    let keys = SourceKeys::from_environment(|name| std::env::var(name).ok())?;
    let connection = connect_read_only(&args.url).await?;
    let inspection = inspect(&connection, &Codecs::new(keys)).await;
    // The connection was only read from: a failed close loses nothing.
    let _ = connection.close().await;
    let inspection = inspection?;
    let is_success = inspection.recognised.iter().all(|report| report.problems.is_empty());
    Ok(CommandOutput { is_success, ..CommandOutput::of(&inspection, args.json, prose) })
}

fn prose(inspection: &Inspection) -> String {
    let mut text = format!("{} database with {} tables\n", inspection.database, inspection.tables);
    if inspection.has_target {
        text.push_str("the table login_session exists already\n");
    }
    if inspection.recognised.is_empty() {
        text.push_str("no preset matches: write a mapping file\n");
    }
    for report in &inspection.recognised {
        recognised(&mut text, report);
    }
    for miss in &inspection.near_misses {
        let table = miss.table.as_deref().unwrap_or_default();
        let missing = miss.missing.join("; ");
        let preset = miss.preset;
        let _ = match miss.fits {
            true => {
                writeln!(text, "\nunlikely {preset} (table {table}), which fits too: {missing}")
            }
            false => writeln!(text, "\nnot {preset} (table {table}): {missing}"),
        };
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
        let _ = writeln!(text, "  another preset matches this table better");
    }
    for report in &report.sources {
        source(text, report);
    }
}

fn source(text: &mut String, source: &SourceReport) {
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
        let _ = writeln!(text, "    orphans: unknown, because no parent table was found");
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
        (expiry(Expiry::Odd), "with an invalid expiry".to_owned()),
    ];
    for (rows, what) in parts.iter().filter(|(rows, _)| *rows > 0) {
        let _ = write!(text, ", {rows} {what}");
    }
    text.push('\n');
}
