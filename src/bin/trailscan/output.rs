//! Prints findings as they arrive, or collects them for a table, the texts of alerts or a report.

pub(crate) mod csv;
pub(crate) mod group;
pub(crate) mod summary;
mod table;
pub(crate) mod terminal;
pub(crate) mod timeline;
pub(crate) mod totals;

use std::io::{self, BufWriter, Stdout, Write};

use clap::ValueEnum;
use trailwarden::alert::{Alert, Format as AlertFormat};
use trailwarden::detect::Finding;
use trailwarden::triage::{History, Incident, Omitted};

use self::terminal::Display;
use self::totals::Totals;
use crate::scan::examine::{Event, Update};
use crate::scan::reading::Reading;
use crate::search::Found;

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each incident, in groups
    Table,
    /// A JSON object for each finding, one per line
    Jsonl,
    /// A row for each finding, with a header
    Csv,
    /// The text of the alert for each incident
    Text,
}

impl Format {
    /// Returns true if findings are printed as they arrive.
    pub(crate) fn is_streamed(self) -> bool {
        matches!(self, Self::Jsonl | Self::Csv)
    }
}

/// Takes the updates of a scan.
pub(crate) struct Output {
    printer: Printer,
    history: Option<History>,
    reading: Reading,
    totals: Totals,
}

/// Prints findings as they arrive.
pub(crate) enum Printer {
    Jsonl(BufWriter<Stdout>),
    Csv(Box<csv::Printer>),
    /// Incidents are printed at the end.
    Incidents,
}

/// What a scan found.
pub(crate) struct Results {
    pub(crate) reading: Reading,
    pub(crate) totals: Totals,
    /// The incidents, most severe first; empty if they were not collected.
    pub(crate) incidents: Vec<Incident>,
    /// What exceeded the limits on memory and is not in `incidents`.
    pub(crate) omitted: Omitted,
}

impl Output {
    /// Creates an output of this format. `collects` is true if incidents are needed even if findings are printed as they
    /// arrive.
    pub(crate) fn new(format: Format, collects: bool) -> io::Result<Self> {
        let printer = match format {
            Format::Jsonl => Printer::Jsonl(BufWriter::new(io::stdout())),
            Format::Csv => Printer::Csv(Box::new(csv::Printer::new()?)),
            Format::Table | Format::Text => Printer::Incidents,
        };
        let history = (collects || !format.is_streamed()).then(History::default);
        Ok(Self { printer, history, reading: Reading::default(), totals: Totals::default() })
    }

    /// Takes an update, or prints findings that were not printed yet.
    pub(crate) fn take(&mut self, event: Event<Update<Found>>) -> io::Result<()> {
        match event {
            Event::Idle => self.printer.flush(),
            // Later objects are read again when the scan is continued.
            Event::Update(_) if self.reading.is_stopped => Ok(()),
            Event::Update(Update::Found(found)) => self.add(found),
            Event::Update(Update::End(found, ended)) => {
                self.add(found)?;
                if let Some(history) = &mut self.history {
                    history.end_of(&ended.name);
                }
                self.reading.end(ended);
                Ok(())
            }
            Event::Update(Update::Unreadable { name, problem }) => {
                self.reading.unreadable(name, problem);
                Ok(())
            }
            Event::Update(Update::Stopped) => {
                self.reading.is_stopped = true;
                Ok(())
            }
        }
    }

    fn add(&mut self, found: Found) -> io::Result<()> {
        self.totals.add(&found);
        self.printer.print(&found.findings)?;
        let Some(history) = &mut self.history else { return Ok(()) };
        found.findings.iter().cloned().for_each(|finding| history.add_mapping_change(finding));
        found.findings.into_iter().for_each(|finding| history.add(finding));
        found.mapping_changes.into_iter().for_each(|finding| history.add_mapping_change(finding));
        found.changes.into_iter().for_each(|change| history.add_change(change));
        Ok(())
    }

    /// Ends the output. Returns what was found, and the printer of findings that were not printed yet.
    pub(crate) fn finish(self) -> (Results, Printer) {
        let omitted = self.history.as_ref().map(History::omitted).unwrap_or_default();
        let incidents = self.history.map(History::into_incidents).unwrap_or_default();
        (Results { reading: self.reading, totals: self.totals, incidents, omitted }, self.printer)
    }
}

impl Results {
    /// Prints the incidents, if the format is one for incidents.
    pub(crate) fn print(&self, format: Format, display: Display) -> io::Result<()> {
        match format {
            Format::Table => table::print(&self.incidents, display),
            Format::Text => print_texts(&self.incidents),
            Format::Jsonl | Format::Csv => Ok(()),
        }
    }
}

impl Printer {
    fn print(&mut self, findings: &[Finding]) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => {
                for finding in findings {
                    serde_json::to_writer(&mut *out, &finding.to_json())?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
            Self::Csv(printer) => printer.print(findings),
            Self::Incidents => Ok(()),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => out.flush(),
            Self::Csv(printer) => printer.flush(),
            Self::Incidents => Ok(()),
        }
    }
}

fn print_texts(incidents: &[Incident]) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    for incident in incidents {
        let message = Alert::of(incident).message(AlertFormat::Text);
        writeln!(out, "Subject: {}\n\n{}", message.subject, message.body)?;
    }
    out.flush()
}
