//! A replay as one page.

use super::Printed;
use super::text::{EXECUTED, beyond, executed, later, nothing_compared, rows};
use crate::replay::Replayed;
use crate::report::{escape, page};

/// The page.
pub(super) fn html(printed: &Printed) -> String {
    let beyond = beyond(printed);
    let (class, verdict) = match (&printed.broken, printed.equal) {
        (Some(broken), _) => ("bad", escape(&broken.to_string())),
        (None, true) => ("good", format!("Everything is equal{beyond}.")),
        (None, false) => {
            ("bad", escape(&format!("Not everything is equal{}{beyond}.", nothing_compared(printed))))
        }
    };
    let mut body = format!(
        "<p class=\"summary\"><strong class=\"{class}\">{verdict}</strong> {} verified records on chain {}{}.</p>\n",
        escape(&printed.records),
        printed.chain_id,
        later(printed)
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
        table(&vault.name, Cells::Words, &["What", "Found"], &figures),
        table("Executed again", Cells::Figures, &EXECUTED, &executed),
        table("Faults", Cells::Words, &["What is wrong"], &faults),
    ]
    .concat()
}

/// What stands in the cells of a table.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) enum Cells {
    /// Sentences, which fill their lines.
    Words,
    /// Figures and hashes, each on a line.
    Figures,
    /// Figures after a name, which may have several lines.
    Named,
}

/// A table with its title; nothing where it has no rows. A cell may have several lines.
pub(in crate::cli) fn table(title: &str, cells: Cells, headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<(&str, &[String])> = rows.iter().map(|row| ("", row.as_slice())).collect();
    marked(title, cells, headings, &rows)
}

/// The same of rows that each have a class of the style sheet, none where it is empty.
pub(in crate::cli) fn marked(
    title: &str,
    cells: Cells,
    headings: &[&str],
    rows: &[(&str, &[String])],
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let title = escape(title);
    let class = match cells {
        Cells::Words => " class=\"words\"",
        Cells::Figures => "",
        Cells::Named => " class=\"named\"",
    };
    let head: String = headings.iter().map(|heading| format!("<th scope=\"col\">{heading}</th>")).collect();
    let written = |row: &[String]| -> String {
        row.iter().map(|cell| format!("<td>{}</td>", escape(cell).replace('\n', "<br/>"))).collect()
    };
    let opened = |class: &str| {
        if class.is_empty() { "<tr>".to_owned() } else { format!("<tr class=\"{class}\">") }
    };
    let rows: String =
        rows.iter().map(|(class, row)| format!("{}{}</tr>\n", opened(class), written(row))).collect();
    format!(
        "<section><h2>{title}</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\
         <table{class}><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_fill_their_lines_and_figures_stand_on_one() {
        let rows = vec![vec!["vault".to_owned(), "main <1>".to_owned()]];
        let words = table("main", Cells::Words, &["What", "Found"], &rows);
        assert!(words.contains("<table class=\"words\"><thead>"));
        assert!(words.contains("<tr><td>vault</td><td>main &lt;1&gt;</td></tr>"));
        assert!(table("main", Cells::Figures, &["What", "Found"], &rows).contains("<table><thead>"));
        assert!(
            page("Keeper replay", "keeper.db", &words)
                .contains("\n.words td{text-align:left;white-space:normal")
        );
    }
}
