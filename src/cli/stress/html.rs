//! A stress as one page.

use super::Printed;
use super::text::{COLUMNS, row, stands, told, verdict};
use crate::report::{escape, page};

pub(super) fn html(printed: &Printed) -> String {
    let class = if printed.holds { "good" } else { "bad" };
    let mut body = format!(
        "<p class=\"summary\"><strong class=\"{class}\">{}</strong> Nothing was sent; the vault is that of block {} of chain {}.</p>\n",
        escape(&verdict(printed)),
        printed.block,
        printed.chain_id
    );
    let stands: Vec<_> =
        stands(printed).into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    body.push_str(&table("As it stands", " class=\"words\"", &["What", "Now"], &stands));
    for (title, trials) in [("Shocks", &printed.shocks), ("Crashes", &printed.crashes)] {
        let rows: Vec<_> = trials.iter().map(row).collect();
        body.push_str(&table(title, "", &COLUMNS, &rows));
        let rows: Vec<_> = trials.iter().map(told).collect();
        let title = format!("{title}: decisions and guards");
        body.push_str(&table(
            &title,
            " class=\"words\"",
            &["what happens", "the keeper, and the guards"],
            &rows,
        ));
    }
    for note in &printed.notes {
        body.push_str(&format!("<p class=\"note\">{}</p>\n", escape(note)));
    }
    page("Stress", &printed.vault.to_string(), &body)
}

/// A table with its title; nothing where it has no rows.
fn table(title: &str, class: &str, headings: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let title = escape(title);
    let head: String = headings.iter().map(|heading| format!("<th scope=\"col\">{heading}</th>")).collect();
    let cell = |cell: &String| format!("<td>{}</td>", escape(cell).replace('\n', "<br/>"));
    let written = |row: &Vec<String>| -> String { row.iter().map(cell).collect() };
    let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", written(row))).collect();
    format!(
        "<section><h2>{title}</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\
         <table{class}><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n"
    )
}
