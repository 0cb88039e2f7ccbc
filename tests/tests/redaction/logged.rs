//! All that is logged, and all that the story shows.

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// One that gets everything that this process logs, by `tracing` and by `log`.
    pub(crate) fn installed() -> Self {
        let log = Self::default();
        let traced = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        // Not `init`, which may set a logger as well.
        tracing::subscriber::set_global_default(traced).unwrap();
        log::set_boxed_logger(Box::new(log.clone())).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        log
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Shows a value as an application might.
    pub(crate) fn show(&self, value: &impl Debug) {
        writeln!(self.clone(), "shown: {value:?}\n{value:#?}").unwrap();
    }

    /// Shows an error with its causes, and gives it back.
    pub(crate) fn error<E: std::error::Error>(&self, error: E) -> E {
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = next {
            writeln!(self.clone(), "shown: {error}\n{error:?}\n{error:#?}").unwrap();
            next = error.source();
        }
        error
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(self.clone(), "{} {}: {}", record.level(), record.target(), record.args())
            .unwrap();
    }

    fn flush(&self) {}
}
