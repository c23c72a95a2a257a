//! The most frequent values, and the policies that caused denials.

use maud::{Markup, html};
use trailwarden::detect::{Effect, PolicyType};

use super::shown::{name, number};
use crate::output::totals::{Ranking, Totals};

/// Number of values in a list.
const TOP: usize = 10;
/// Width of the drawing of a bar.
const WIDTH: f64 = 1000.0;

/// The section with the lists.
pub(super) fn section(totals: &Totals) -> Markup {
    let lists = [
        ("Callers", "Caller", &totals.callers),
        ("Actions", "Action", &totals.actions),
        ("Functions", "Function", &totals.functions),
        ("Accounts", "Account", &totals.accounts),
        ("Error codes", "Error code", &totals.error_codes),
    ];
    html! {
        section aria-labelledby="top" {
            h2 #top { "Most frequent" }
            p.note { "Numbers of findings." }
            .lists {
                @for (title, column, ranking) in lists.into_iter().filter(|(_, _, it)| it.distinct() > 0) {
                    (list(title, column, ranking))
                }
            }
        }
        (policies(totals))
    }
}

fn list(title: &str, column: &str, ranking: &Ranking) -> Markup {
    let values = ranking.top(TOP);
    let most = values.first().map_or(1, |(_, count)| *count);
    let more = ranking.distinct().saturating_sub(values.len());
    html! {
        .list {
            table.ranking {
                caption { (title) @if more > 0 { span.note { "top " (values.len()) " of " (number(ranking.distinct() as u64)) } } }
                thead.unseen { tr { th scope="col" { (column) } th scope="col" { "Findings" } } }
                tbody {
                    @for (value, count) in values {
                        tr {
                            th scope="row" { (name(value)) (bar(&[("bar", count)], most)) }
                            td.number { (number(count)) }
                        }
                    }
                }
            }
        }
    }
}

/// A horizontal bar of several parts, each with a class and a length.
fn bar(parts: &[(&str, u64)], most: u64) -> Markup {
    let mut left = 0.0;
    let placed = parts.iter().map(|(class, count)| {
        let (at, width) = (left, share(*count, most) * WIDTH);
        left += width;
        (*class, at, width)
    });
    html! {
        svg.bars viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="1000" height="8" {}
            @for (class, at, width) in placed {
                rect class=(class) x=(format!("{at:.1}")) width=(format!("{width:.1}")) height="8" {}
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a length in a drawing")]
fn share(count: u64, most: u64) -> f64 {
    count as f64 / most.max(1) as f64
}

/// Denials by the type of policy, and whether it denies the call or does not allow it.
fn policies(totals: &Totals) -> Markup {
    if totals.policies.is_empty() {
        return html! {};
    }
    let count = |policy, effect| totals.policies.get(&(policy, effect)).copied().unwrap_or_default();
    let of = |policy| [Some(Effect::Explicit), Some(Effect::Implicit), None].map(|effect| count(policy, effect));
    let mut rows: Vec<_> = TYPES.into_iter().map(|policy| (Some(policy), of(Some(policy)))).collect();
    rows.retain(|(_, counts)| counts.iter().sum::<u64>() > 0);
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
    rows.extend(Some((None, of(None))).filter(|(_, counts)| counts.iter().sum::<u64>() > 0));
    let most = rows.iter().map(|(_, counts)| counts.iter().sum()).max().unwrap_or(1);
    html! {
        section aria-labelledby="policies" {
            h2 #policies { "Denials by type of policy" }
            p.note {
                "Explicit: a policy of the type denies the call. Implicit: no policy of the type allows it. Many error \
                 messages state neither."
            }
            table.ranking.policies {
                caption.unseen { "Denials by type of policy" }
                thead {
                    tr {
                        th scope="col" { "Type of policy" }
                        td.drawn {}
                        th.number scope="col" { span.swatch.explicit {} "Explicit" }
                        th.number scope="col" { span.swatch.implicit {} "Implicit" }
                        th.number scope="col" { span.swatch.unstated {} "Not stated" }
                    }
                }
                tbody {
                    @for (policy, [explicit, implicit, unstated]) in rows {
                        tr {
                            th scope="row" { (policy.map_or("None stated", title)) }
                            td.drawn { (bar(&[("explicit", explicit), ("implicit", implicit), ("unstated", unstated)], most)) }
                            td.number { (number(explicit)) }
                            td.number { (number(implicit)) }
                            td.number { (number(unstated)) }
                        }
                    }
                }
            }
        }
    }
}

const TYPES: [PolicyType; 8] = [
    PolicyType::IdentityBased,
    PolicyType::ResourceBased,
    PolicyType::ServiceControl,
    PolicyType::ResourceControl,
    PolicyType::VpcEndpoint,
    PolicyType::PermissionsBoundary,
    PolicyType::Session,
    PolicyType::RoleTrust,
];

fn title(policy: PolicyType) -> &'static str {
    match policy {
        PolicyType::IdentityBased => "Identity-based policy",
        PolicyType::ResourceBased => "Resource-based policy",
        PolicyType::ServiceControl => "Service control policy",
        PolicyType::ResourceControl => "Resource control policy",
        PolicyType::VpcEndpoint => "VPC endpoint policy",
        PolicyType::PermissionsBoundary => "Permissions boundary",
        PolicyType::Session => "Session policy",
        PolicyType::RoleTrust => "Role trust policy",
    }
}
