//! The findings over time, as a chart and as a table.

use maud::{Markup, PreEscaped, html};
use plotters::coord::combinators::BindKeyPoints as _;
use plotters::prelude::*;

use super::shown::{counted, moment, number};
use crate::output::group::Group;
use crate::output::timeline::{Bars, Timeline};

/// Units of the drawing per pixel. Coordinates are integers, so this is the resolution of the bars.
const SCALE: u32 = 4;
/// Width of a bar with the space around it, on the axis of time.
const BAR: u64 = 10;
const TEXT: RGBColor = RGBColor(0x10, 0x10, 0x10);
const GRID: RGBColor = RGBColor(0xd0, 0xd0, 0xd0);
const AXIS: RGBColor = RGBColor(0x90, 0x90, 0x90);
const FONT: &str = "sans-serif";

/// A rendering of the chart for screens of some width.
struct Size {
    class: &'static str,
    width: u32,
    height: u32,
    /// Size of the text. plotters divides it by 1.24.
    font: u32,
    /// Maximum number of labels of the time axis.
    labels: usize,
}

const SIZES: [Size; 3] = [
    Size { class: "chart wide", width: 1200, height: 260, font: 17, labels: 14 },
    Size { class: "chart medium", width: 720, height: 240, font: 16, labels: 8 },
    Size { class: "chart narrow", width: 360, height: 220, font: 15, labels: 4 },
];

/// The section with the chart.
pub(super) fn section(timeline: &Timeline) -> Markup {
    let Some(bars) = timeline.bars() else { return html! {} };
    let groups: Vec<_> = Group::ALL.into_iter().filter(|group| total(&bars, *group) > 0).collect();
    html! {
        section aria-labelledby="timeline" {
            h2 #timeline { "Findings over time" }
            p.note { "Findings per " (bars.step.name()) ", in UTC." }
            ul.legend {
                @for group in &groups {
                    li { span class=(class(*group)) {} (noun(*group)) " " b { (number(total(&bars, *group))) } }
                }
            }
            figure {
                @for size in &SIZES { (drawing(&bars, size)) }
            }
            @if timeline.without_time() > 0 {
                p.note {
                    (counted(timeline.without_time(), "finding has", "findings have"))
                    " no time, or one that cannot be right, and "
                    @if timeline.without_time() == 1 { "is" } @else { "are" } " not in the chart."
                }
            }
            details.data { summary { "Show the counts as a table" } (table(&bars, &groups)) }
        }
    }
}

fn total(bars: &Bars, group: Group) -> u64 {
    bars.bars.iter().map(|(_, counts)| counts.of(group)).sum()
}

fn noun(group: Group) -> &'static str {
    match group {
        Group::Stopped => "Stopped mappings",
        Group::Changed => "Changed mappings",
        Group::Denied => "Denied calls",
        Group::Watched => "Watch matches",
    }
}

/// The class of the swatch in the legend. The style sheet gives it the colour of the bars.
fn class(group: Group) -> &'static str {
    match group {
        Group::Stopped => "swatch stopped",
        Group::Changed => "swatch changed",
        Group::Denied => "swatch denied",
        Group::Watched => "swatch watched",
    }
}

/// The colour in the drawing. The style sheet replaces it by one that suits the background.
fn colour(group: Group) -> RGBColor {
    match group {
        Group::Stopped => RGBColor(0xd5, 0x5e, 0x00),
        Group::Changed => RGBColor(0xcc, 0x79, 0xa7),
        Group::Denied => RGBColor(0x00, 0x72, 0xb2),
        Group::Watched => RGBColor(0x00, 0x9e, 0x73),
    }
}

fn table(bars: &Bars, groups: &[Group]) -> Markup {
    html! {
        table.plain {
            caption { "Findings per " (bars.step.name()) }
            thead { tr { th scope="col" { "From" } @for group in groups { th.number scope="col" { (noun(*group)) } } } }
            tbody {
                @for (start, counts) in bars.bars.iter().filter(|(_, counts)| counts.sum() > 0) {
                    tr {
                        th scope="row" { (moment(*start)) }
                        @for group in groups { td.number { (number(counts.of(*group))) } }
                    }
                }
            }
        }
    }
}

/// A drawing in its own element, with a description. A drawing that fails is omitted, because the table follows.
fn drawing(bars: &Bars, size: &Size) -> Markup {
    let mut svg = String::new();
    let drawn = draw(bars, size, &mut svg).is_ok();
    let content = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>")).filter(|_| drawn);
    let Some((content, _)) = content else { return html! {} };
    let view_box = format!("0 0 {} {}", size.width * SCALE, size.height * SCALE);
    html! {
        svg class=(size.class) viewBox=(view_box) role="img" {
            title { (description(bars)) }
            (PreEscaped(content))
        }
    }
}

fn description(bars: &Bars) -> String {
    let findings = bars.bars.iter().map(|(_, counts)| counts.sum()).sum();
    let most = bars.bars.iter().max_by_key(|(_, counts)| counts.sum());
    let most = most.map(|(start, counts)| {
        let (most, label) = (counted(counts.sum(), "finding", "findings"), bars.step.label(*start));
        format!(" The highest bar is {most} from {label}.")
    });
    let sum = counted(findings, "finding", "findings");
    format!("Bar chart of {sum} per {}.{}", bars.step.name(), most.unwrap_or_default())
}

type DrawingError = DrawingAreaErrorKind<std::io::Error>;

/// Draws stacked bars.
fn draw(bars: &Bars, size: &Size, svg: &mut String) -> Result<(), DrawingError> {
    let root = SVGBackend::with_string(svg, (size.width * SCALE, size.height * SCALE)).into_drawing_area();
    let highest = bars.bars.iter().map(|(_, counts)| counts.sum()).max().unwrap_or_default();
    let (label_step, labels) = bars.labels(size.labels);
    let (top, levels) = levels(highest);
    let places = labels.into_iter().map(|at| at as u64 * BAR).collect();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(10 * SCALE)
        .margin_right(20 * SCALE)
        .x_label_area_size(28 * SCALE)
        .y_label_area_size(52 * SCALE)
        .build_cartesian_2d(
            (0..bars.bars.len() as u64 * BAR).with_key_points(places),
            (0..top).with_key_points(levels),
        )?;
    let label_of = |at: &u64| bars.bars.get((at / BAR) as usize).map(|(start, _)| label_step.short_label(*start));
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(SCALE))
        .axis_style(AXIS.stroke_width(SCALE))
        .set_all_tick_mark_size(5 * SCALE)
        .label_style((FONT, size.font * SCALE, &TEXT))
        .x_label_formatter(&|at| label_of(at).unwrap_or_default())
        .y_label_formatter(&|count| number(*count))
        .draw()?;
    chart.draw_series(rectangles(bars))?;
    root.present()
}

/// The bars, one rectangle for each group.
fn rectangles(bars: &Bars) -> impl Iterator<Item = Rectangle<(u64, u64)>> {
    (0..).zip(&bars.bars).flat_map(|(at, (_, counts))| {
        let (left, right) = (at * BAR + 1, (at + 1) * BAR - 1);
        let mut bottom = 0;
        let groups = Group::ALL.into_iter().filter(|group| counts.of(*group) > 0);
        let rectangles = groups.map(move |group| {
            let from = bottom;
            bottom += counts.of(group);
            Rectangle::new([(left, bottom), (right, from)], colour(group).filled())
        });
        rectangles.collect::<Vec<_>>()
    })
}

/// The upper end of an axis for counts up to `highest`, and the positions of its labels: multiples of 1, 2 or 5.
fn levels(highest: u64) -> (u64, Vec<u64>) {
    let powers = (0..19).map(|power| 10_u64.pow(power));
    let mut steps = powers.flat_map(|power| [1, 2, 5].map(|it| power.saturating_mul(it)));
    let step = steps.find(|step| highest.div_ceil(*step) <= 4).unwrap_or(u64::MAX);
    let count = highest.div_ceil(step).max(1);
    (count.saturating_mul(step), (0..=count).map(|n| n.saturating_mul(step)).collect())
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn axes_have_round_levels() {
        for (highest, top, labels) in
            [(0, 1, 2), (1, 1, 2), (3, 3, 4), (4, 4, 5), (7, 8, 5), (120, 150, 4), (999, 1_000, 3)]
        {
            let (end, levels) = levels(highest);
            assert_eq!((end, levels.len()), (top, labels), "{highest}");
        }
        assert!(levels(u64::MAX).0 > u64::MAX / 2);
    }
}
