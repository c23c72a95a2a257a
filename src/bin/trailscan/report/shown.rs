//! How values are shown on the page.

use jiff::Timestamp;
use maud::{Markup, Render, html};
use trailwarden::alert::sanitize;

/// A name from a record, sanitized and isolated from the direction of the text around it.
pub(super) fn name(text: &str) -> Markup {
    isolated(&sanitize::name(text))
}

/// Text that is already sanitized, isolated from the direction of the text around it.
pub(super) fn isolated(text: &str) -> Markup {
    html! { bdi { (text) } }
}

/// A number with a separator between thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join("\u{a0}")
}

/// A number with its noun.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// The date and the time of a record. Text that is not a time is shown as it is.
pub(super) fn time(text: Option<&str>) -> Markup {
    match text.map(|text| (text, text.parse::<Timestamp>())) {
        None => html! { span.none { "unknown" } },
        Some((_, Ok(time))) => moment(time),
        Some((text, Err(_))) => name(text),
    }
}

/// The date and the time, which may be on two lines.
pub(super) fn moment(time: Timestamp) -> Markup {
    let time = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let (date, clock) = time.split_once(' ').unwrap_or_default();
    html! { span.date { (date) } " " span.clock { (clock) } }
}

/// The first items, up to a number of bytes. Returns them with their number.
pub(super) fn within(bytes: usize, items: impl IntoIterator<Item = Markup>) -> (Markup, u64) {
    let (mut shown, mut count) = (String::new(), 0);
    for item in items {
        if shown.len() + item.0.len() > bytes {
            break;
        }
        item.render_to(&mut shown);
        count += 1;
    }
    (maud::PreEscaped(shown), count)
}
