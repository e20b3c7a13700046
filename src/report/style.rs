//! Colours in both themes, and the style sheet.
//!
//! Plots are drawn in the colours of the light theme. The style sheet turns each into a variable, which the dark
//! theme sets anew; a viewer without style sheets sees the light theme.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour of the plots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    /// Name of its variable.
    pub(super) name: &'static str,
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

impl Ink {
    const fn new(name: &'static str, light: (u8, u8, u8), dark: (u8, u8, u8)) -> Self {
        Self { name, light, dark }
    }

    /// As drawn.
    pub(super) const fn colour(self) -> RGBColor {
        RGBColor(self.light.0, self.light.1, self.light.2)
    }
}

/// Numbers at the axes.
pub(super) const LABEL: Ink = Ink::new("label", (0x57, 0x60, 0x6A), (0x9D, 0xA7, 0xB3));
/// Axes and lines of the grid.
pub(super) const GRID: Ink = Ink::new("grid", (0xE1, 0xE5, 0xEA), (0x2B, 0x32, 0x3B));
/// The keeper.
pub(super) const KEEPER: Ink = Ink::new("keeper", (0x0B, 0x5F, 0xCC), (0x5C, 0xB0, 0xFF));
/// Its floor, and what is below.
pub(super) const FLOOR: Ink = Ink::new("floor", (0xC6, 0x28, 0x28), (0xFF, 0x7B, 0x72));
/// Target and band.
pub(super) const TARGET: Ink = Ink::new("target", (0x1A, 0x7F, 0x5A), (0x4C, 0xC3, 0x8A));
/// Price and fees.
pub(super) const MARKET: Ink = Ink::new("market", (0x4A, 0x52, 0x5C), (0xB4, 0xBD, 0xC8));
/// Purchases of the risky asset.
pub(super) const BUY: Ink = Ink::new("buy", (0x0A, 0x62, 0xCA), (0x66, 0xB3, 0xFF));
/// Sales of it.
pub(super) const SELL: Ink = Ink::new("sell", (0xC2, 0x4E, 0x00), (0xFF, 0x9E, 0x57));
/// Those the keeper is compared with, in turn.
pub(super) const OTHERS: [Ink; 4] = [
    Ink::new("other-1", (0x7A, 0x7F, 0x87), (0x8C, 0x95, 0xA0)),
    Ink::new("other-2", (0xD1, 0x7A, 0x00), (0xF2, 0xB1, 0x4A)),
    Ink::new("other-3", (0x8A, 0x3F, 0xB5), (0xCF, 0x94, 0xF2)),
    Ink::new("other-4", (0x00, 0x8B, 0x8B), (0x45, 0xC7, 0xC7)),
];

/// Figures on the shades of a heat map.
pub(super) const NUMBER: Ink = Ink::new("number", (0x1C, 0x21, 0x27), (0xE4, 0xE8, 0xEC));

/// How strong the shade is for a part of the way from the lowest figure to the highest: seen at the one, and read on at the other.
pub(super) fn shade(part: f64) -> f64 {
    0.08 + 0.42 * part.clamp(0.0, 1.0)
}

const SHEET: &str = "
:root{color-scheme:light dark;--paper:#fff;--text:#1c2127;--quiet:#57606a;--rule:#dfe3e8;--shade:#f5f7f9;\
--good:#14703f;--bad:#b3211f}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--text);font:16px/1.55 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 56px}
header p{margin:0;color:var(--quiet);font-size:.85rem;letter-spacing:.04em}
h1{margin:0 0 16px;font-size:1.75rem;line-height:1.2;overflow-wrap:anywhere}
h2{margin:0;font-size:1.1rem;line-height:1.3}
section,figure{margin:36px 0 0}
.summary{max-width:76ch;margin:0}
.note{margin:6px 0 0;color:var(--quiet);font-size:.85rem}
.good{color:var(--good)}
.bad{color:var(--bad)}
.scroll{margin-top:10px;overflow-x:auto;background:linear-gradient(to left,var(--paper) 40%,transparent) right/36px 100% no-repeat \
local,linear-gradient(to left,var(--rule),transparent) right/14px 100% no-repeat scroll}
table{width:100%;border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:7px 10px;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th{color:var(--quiet);font-weight:600;vertical-align:bottom}
thead th{border-bottom-width:2px;min-width:7em;white-space:normal;line-height:1.3}
thead th.left{min-width:4em}
tbody th{color:inherit;white-space:normal;overflow-wrap:break-word;min-width:9.5em;max-width:16em}
.left,th:first-child,td:first-child{text-align:left}
td.value{text-align:left;white-space:normal;overflow-wrap:break-word;min-width:6em}
td.long{min-width:8.5em}
th:first-child,td:first-child{position:sticky;left:0;background:var(--paper)}
.words th{text-align:left}
.words td{text-align:left;white-space:normal;overflow-wrap:anywhere}
.words td:first-child{min-width:7em;vertical-align:top}
.named td:first-child{white-space:normal;min-width:7em}
.named thead th{min-width:5em}
tbody tr.first th,tbody tr.first td{background:var(--shade)}
details{margin-top:14px;font-size:.875rem}
summary{cursor:pointer}
dl{max-width:76ch;margin:10px 0 0}
dt{font-weight:600}
dd{margin:0 0 8px;color:var(--quiet)}
code{font:.85em ui-monospace,monospace}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;margin:6px 0 4px;padding:0;list-style:none;font-size:.85rem}
.legend span{display:inline-block;width:18px;margin-right:6px;text-align:center;vertical-align:middle;line-height:1}
.legend .line{height:3px;background:currentColor}
.legend .area{height:12px;background:currentColor;opacity:.25}
figure svg{display:block;width:100%;height:auto}
figure svg text{font-family:inherit}
figure svg polyline{stroke-linejoin:round}
figure svg.narrow{display:none}
@media(max-width:640px){main{padding:20px 14px 40px}h1{font-size:1.45rem}
th,td{padding:7px 8px}thead th{min-width:0}
figure svg.wide{display:none}figure svg.narrow{display:block}}
@media(prefers-color-scheme:dark){:root{--paper:#12161b;--text:#e4e8ec;--quiet:#9da7b3;--rule:#2b323b;--shade:#1a2027;\
--good:#4cc38a;--bad:#ff7b72}}
@media print{body{font-size:12px}figure,tr{break-inside:avoid}}
";

/// The style sheet of the page.
pub(super) fn css() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    let mut drawn = String::new();
    for ink in [LABEL, GRID, KEEPER, FLOOR, TARGET, MARKET, BUY, SELL, NUMBER].into_iter().chain(OTHERS) {
        let (name, hex) = (ink.name, hex(ink.light));
        let _infallible = write!(light, "--{name}:{hex};");
        let _infallible = write!(dark, "--{name}:{};", self::hex(ink.dark));
        let _infallible = writeln!(
            drawn,
            "figure svg [stroke=\"{hex}\"]{{stroke:var(--{name})}}figure svg [fill=\"{hex}\"]{{fill:var(--{name})}}"
        );
    }
    format!(
        "{}\n:root{{{light}}}\n@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n{drawn}",
        SHEET.trim()
    )
}

/// As the drawing library writes it.
fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.1).
    fn luminance([red, green, blue]: [f64; 3]) -> f64 {
        let linear = |part: f64| {
            let part = part / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn parts((red, green, blue): (u8, u8, u8)) -> [f64; 3] {
        [red, green, blue].map(f64::from)
    }

    fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
        contrast_of(parts(a), parts(b))
    }

    fn contrast_of(a: [f64; 3], b: [f64; 3]) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn lines_and_labels_stand_out_in_both_themes() {
        for ink in [LABEL, KEEPER, FLOOR, TARGET, MARKET, BUY, SELL, NUMBER].into_iter().chain(OTHERS) {
            // WCAG 2.1, 1.4.11: 3 for graphical objects.
            assert!(contrast(ink.light, (255, 255, 255)) >= 3.0, "{} in light", ink.name);
            assert!(contrast(ink.dark, (0x12, 0x16, 0x1B)) >= 3.0, "{} in dark", ink.name);
        }
        assert!(contrast(LABEL.light, (255, 255, 255)) >= 4.5);
        assert!(contrast(LABEL.dark, (0x12, 0x16, 0x1B)) >= 4.5);
    }

    #[test]
    fn figures_are_read_on_the_strongest_shade_in_both_themes() {
        let read_on = |number: (u8, u8, u8), ink: (u8, u8, u8), paper: (u8, u8, u8)| {
            let mut under = parts(paper);
            for (under, ink) in under.iter_mut().zip(parts(ink)) {
                *under += shade(1.0) * (ink - *under);
            }
            assert!(contrast_of(parts(number), under) >= 4.5, "{number:?} on {under:?}");
        };
        read_on(NUMBER.light, KEEPER.light, (255, 255, 255));
        read_on(NUMBER.dark, KEEPER.dark, (0x12, 0x16, 0x1B));
    }

    #[test]
    fn every_ink_has_a_colour_of_its_own() {
        let mut all: Vec<_> = [LABEL, GRID, KEEPER, FLOOR, TARGET, MARKET, BUY, SELL, NUMBER]
            .into_iter()
            .chain(OTHERS)
            .map(|ink| ink.light)
            .collect();
        let inks = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), inks);
    }
}
