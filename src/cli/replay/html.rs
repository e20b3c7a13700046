//! A replay as one page.

use super::Printed;
use super::text::{EXECUTED, executed, nothing_compared, rows};
use crate::replay::Replayed;
use crate::report::{escape, page};

/// The page.
pub(super) fn html(printed: &Printed) -> String {
    let (class, verdict) = match (&printed.broken, printed.equal) {
        (Some(broken), _) => ("bad", escape(&broken.to_string())),
        (None, true) => ("good", "Everything is equal.".to_owned()),
        (None, false) => ("bad", escape(&format!("Not everything is equal{}.", nothing_compared(printed)))),
    };
    let mut body = format!(
        "<p class=\"summary\"><strong class=\"{class}\">{verdict}</strong> {} verified records on chain {}.</p>\n",
        escape(&printed.records),
        printed.chain_id
    );
    for vault in &printed.vaults {
        body.push_str(&section(vault));
    }
    page("Keeper replay", &printed.journal, &body)
}

fn section(vault: &Replayed) -> String {
    let figures: Vec<_> = rows(vault).into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let executed: Vec<_> = vault.executed.iter().map(executed).collect();
    let faults: Vec<_> = vault.faults.iter().map(|fault| vec![fault.to_string()]).collect();
    [
        table(&vault.name, &["What", "Found"], &figures),
        table("Executed again", &EXECUTED, &executed),
        table("Faults", &["What is wrong"], &faults),
    ]
    .concat()
}

/// A table with its title; nothing where it has no rows.
fn table(title: &str, headings: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let title = escape(title);
    let head: String = headings.iter().map(|heading| format!("<th scope=\"col\">{heading}</th>")).collect();
    let cells = |row: &Vec<String>| -> String {
        row.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect()
    };
    let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells(row))).collect();
    format!(
        "<section><h2>{title}</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\
         <table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n"
    )
}
