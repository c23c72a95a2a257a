//! Explains codes.

use trailwarden::alert::explain::{self, Explanation};

use crate::diagnostics::shown;

/// How similar a known code must be to be suggested, from 0 to 1.
const SIMILAR: f64 = 0.8;

/// A code that has no explanation.
#[derive(Debug, thiserror::Error)]
#[error("unknown code {}{}\n  `trailscan explain` lists all codes", shown(code), suggestion(nearest.as_deref()))]
pub(crate) struct UnknownCode {
    code: String,
    nearest: Option<String>,
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|code| format!("\n  did you mean {code}?")).unwrap_or_default()
}

/// The explanation of a code, which may be several words. Without words, a list of all codes.
pub(crate) fn text(words: &[String]) -> Result<String, UnknownCode> {
    if words.is_empty() {
        return Ok(list(&explain::all()));
    }
    let code = words.join(" ");
    let found = explain::find(&code);
    if found.is_empty() {
        let nearest = nearest(&code);
        return Err(UnknownCode { code, nearest });
    }
    Ok(found.iter().map(Explanation::to_string).collect::<Vec<_>>().join("\n"))
}

/// The codes with their meanings, one per line, in groups.
fn list(all: &[Explanation]) -> String {
    let groups = all.chunk_by(|a, b| a.group == b.group).map(|codes| {
        let heading = codes.first().map(|it| it.group.to_string()).unwrap_or_default();
        let width = codes.iter().map(|it| it.code.len()).max().unwrap_or_default();
        let line = |it: &Explanation| format!("  {:width$}  {}", it.code, phrase(it.brief)).trim_end().to_owned();
        let lines = [heading].into_iter().chain(codes.iter().map(line));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    });
    groups.collect::<Vec<_>>().join("\n")
}

/// The first sentence with a capital first letter, without its period.
fn phrase(text: &str) -> String {
    let sentence = text.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let mut characters = sentence.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

/// The known code that is most similar to `code`.
fn nearest(code: &str) -> Option<String> {
    let similarity = |known: &str| strsim::jaro_winkler(&code.to_lowercase(), &known.to_lowercase());
    let scored = explain::all().into_iter().map(|it| (similarity(&it.code), it.code));
    scored.filter(|(score, _)| *score >= SIMILAR).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, code)| code)
}
