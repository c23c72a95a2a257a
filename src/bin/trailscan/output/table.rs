//! Incidents as a table with one line for each, in groups.

use std::io::{self, Write as _};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table, presets};
use trailwarden::alert::{Brief, sanitize};
use trailwarden::detect::Severity;
use trailwarden::triage::Incident;

use crate::output::group::{Group, is_listed};
use crate::output::terminal::Display;

/// Width of a terminal from which on the account and the Region are shown, in columns.
const WIDE: u16 = 120;

/// The columns that are shown: those that differ between incidents.
struct Columns {
    account: bool,
    region: bool,
}

/// Prints incidents to standard output. On a terminal, each line is shortened to the width of the terminal.
pub(super) fn print(incidents: &[Incident], display: Display) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout());
    out.write_all(text(incidents, display).as_bytes())?;
    out.flush()
}

fn text(incidents: &[Incident], display: Display) -> String {
    let incidents: Vec<_> = incidents.iter().filter(|it| is_listed(it)).collect();
    let has_room = display.width.is_none_or(|width| width >= WIDE);
    let columns = Columns {
        account: has_room && differ(incidents.iter().map(|it| it.finding.event.account.as_deref())),
        region: has_room && differ(incidents.iter().map(|it| it.finding.event.region.as_deref())),
    };
    let mut groups = Vec::new();
    for group in Group::ALL {
        let members: Vec<_> = incidents.iter().copied().filter(|it| Group::of(&it.finding) == group).collect();
        if !members.is_empty() {
            let title = format!("{}: {}", group.title(), members.len());
            let title = if display.colours { format!("\u{1b}[1m{title}\u{1b}[0m") } else { title };
            groups.push(format!("{title}\n{}\n", table(&members, &columns, display).trim_fmt()));
        }
    }
    groups.join("\n")
}

fn differ<'a>(mut values: impl Iterator<Item = Option<&'a str>>) -> bool {
    let first = values.next();
    values.any(|value| Some(value) != first)
}

fn table(incidents: &[&Incident], columns: &Columns, display: Display) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Text is cut off within words, so that a long name does not disappear.
    table.set_delimiter('\n');
    if display.colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = display.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for incident in incidents {
        let mut row = Row::from(cells(incident, columns));
        row.max_height(1);
        table.add_row(row);
    }
    // Only the sentence is shortened.
    let sentence = table.column_count().saturating_sub(1);
    table.column_iter_mut().take(sentence).for_each(|column| {
        column.set_constraint(ColumnConstraint::ContentWidth);
    });
    table
}

fn cells(incident: &Incident, columns: &Columns) -> Vec<Cell> {
    let event = &incident.finding.event;
    let shown = |value: &Option<String>| Cell::new(value.as_deref().map(sanitize::name).unwrap_or_default());
    let severity = incident.finding.severity();
    let mut cells = vec![
        Cell::new(severity.as_str()).fg(colour_of(severity)).add_attribute(Attribute::Bold),
        Cell::new(minute(incident.first.as_deref())),
        Cell::new(format!("{}×", incident.count)).set_alignment(CellAlignment::Right),
    ];
    cells.extend(columns.account.then(|| shown(&event.account)));
    cells.extend(columns.region.then(|| shown(&event.region)));
    cells.push(Cell::new(sentence(incident)));
    cells
}

/// A time to the minute.
fn minute(time: Option<&str>) -> String {
    let time = time.map(sanitize::name).unwrap_or_default().replace('T', " ");
    time.chars().take("YYYY-MM-DD hh:mm".len()).collect()
}

fn colour_of(severity: Severity) -> Color {
    match severity {
        Severity::Critical => Color::Red,
        Severity::High => Color::Magenta,
        Severity::Medium => Color::Yellow,
        Severity::Low => Color::Cyan,
    }
}

/// What happened. The most important parts come first, because the end may be cut off.
fn sentence(incident: &Incident) -> String {
    let Brief { subject, reason, caller, state, causes } = Brief::of(incident);
    let subject = match caller {
        Some(caller) => format!("{caller}: {subject}"),
        None => subject,
    };
    let parts = [Some(subject), Some(reason), state].into_iter().flatten();
    let causes = causes.into_iter().map(|cause| format!("likely cause: {cause}"));
    parts.chain(causes).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use comfy_table::Table;
    use trailwarden::detect::{Detector, WatchRules};
    use trailwarden::triage::History;

    use super::*;

    /// Incidents in two Regions.
    fn incidents() -> Vec<Incident> {
        let mut history = History::default();
        for (region, name) in [("us-east-1", "GetFunction"), ("ap-southeast-2", "ListEventSourceMappings")] {
            let record = format!(
                r#"{{"eventSource":"lambda.amazonaws.com","eventName":"{name}","awsRegion":"{region}","errorCode":"AccessDenied",
                    "eventTime":"2026-01-02T03:04:05Z","userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/🦀é-{}"}}}}"#,
                "long-".repeat(30)
            );
            let examined = Detector::default()
                .examine(record.as_bytes(), &Arc::from("a.json"), &WatchRules::default())
                .expect("a record");
            examined.findings.into_iter().for_each(|finding| history.add(finding));
        }
        history.into_incidents()
    }

    #[test]
    fn lines_fit_the_terminal() {
        for width in [40, 80, 119, 120, 250] {
            let shown = text(&incidents(), Display { width: Some(width), colours: false });
            assert_eq!(shown.lines().count(), 3, "{shown}");
            let widest = shown.lines().map(|line| Table::new().add_row([line]).column_max_content_widths()[0]).max();
            assert!(widest <= Some(width), "{width} {shown}");
            assert!(shown.lines().skip(1).all(|it| it.contains("2026-01-02 03:04") && it.ends_with('…')), "{shown}");
            assert!(width < 80 || shown.contains(":user/🦀é-long-"), "{shown}");
            assert_eq!(shown.contains("ap-southeast-2"), width >= WIDE, "{shown}");
        }
        let complete = text(&incidents(), Display::default());
        assert!(complete.contains("ap-southeast-2") && !complete.contains('…'), "{complete}");
    }

    #[test]
    fn colours_are_used_only_if_they_are_wanted() {
        let shown = |colours| text(&incidents(), Display { width: Some(80), colours });
        assert!(shown(true).contains("\u{1b}[1mDenied calls: 2\u{1b}[0m\n"));
        assert!(!shown(false).contains('\u{1b}'));
    }
}
