//! Findings as comma-separated values.

use std::io::{self, Stdout};

use serde_json::Value;
use trailwarden::alert::sanitize;
use trailwarden::detect::Finding;

/// The columns, which are fields of a finding as JSON.
const COLUMNS: [&str; 33] = [
    "event_time",
    "alert_type",
    "severity",
    "category",
    "account",
    "region",
    "actor",
    "principal",
    "session_name",
    "event_source",
    "event_name",
    "api_action",
    "function_name",
    "function_arn",
    "event_source_arn",
    "mapping_uuid",
    "reason",
    "error_code",
    "error_message",
    "error_message_truncated",
    "error_message_encoded",
    "denied_principal",
    "denied_action",
    "denied_resource",
    "policy_type",
    "policy_effect",
    "policy_arn",
    "title",
    "source_ip_address",
    "user_agent",
    "event_id",
    "object",
    "version",
];

/// Prints findings as CSV.
pub(crate) struct Printer {
    writer: csv::Writer<Stdout>,
}

impl Printer {
    /// Creates a printer, and prints the header.
    pub(super) fn new() -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(io::stdout());
        writer.write_record(COLUMNS).map_err(io_error)?;
        Ok(Self { writer })
    }

    pub(super) fn print(&mut self, findings: &[Finding]) -> io::Result<()> {
        for finding in findings {
            self.writer.write_record(cells(finding)?).map_err(io_error)?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The I/O error of the output, which the error of the crate contains.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn cells(finding: &Finding) -> io::Result<Vec<String>> {
    let fields = serde_json::to_value(finding.to_json())?;
    Ok(COLUMNS.iter().map(|column| cell(fields.get(column))).collect())
}

/// The text of a cell, without hidden characters. Spreadsheet programs evaluate a cell that starts like a formula, and whoever made a call chose
/// some of the text, so such a cell gets an apostrophe.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let text = sanitize::visible(&text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}
