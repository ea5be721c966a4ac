//! HTML that cannot be broken by what is put into it.
//!
//! Ids are outsiders' text. Markup is given as literals only; everything else is text, and escaped.

use std::fmt::{self, Display, Write as _};

use crate::scoring::text::is_invisible;

/// A piece of a page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// The attributes of an element.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

impl Html {
    /// Markup as it stands. Only the program's own text is `'static`.
    pub(super) fn markup(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Text, escaped.
    pub(super) fn text(&mut self, text: impl Display) {
        // Writing to a text cannot fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
    }

    /// An element with what `inside` puts into it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            self.0.push(' ');
            self.0.push_str(attribute);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push_str(">\n");
    }

    /// An element with nothing but text in it.
    pub(super) fn line(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        text: impl Display,
    ) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// A table: its header, then rows of which the first cell names the row.
    pub(super) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        self.element("table", &[], |html| {
            html.element("tr", &[], |html| {
                for name in header {
                    html.line("th", &[], name);
                }
            });
            for row in rows {
                html.element("tr", &[], |html| {
                    for (nth, cell) in row.iter().enumerate() {
                        html.line(if nth == 0 { "th" } else { "td" }, &[], cell);
                    }
                });
            }
        });
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ if is_invisible(letter) => self.0.extend(letter.escape_unicode()),
                _ => self.0.push(letter),
            }
        }
        Ok(())
    }
}

/// So many payments, in words.
pub(super) fn payments(count: u64) -> String {
    match count {
        1 => "1 payment".to_owned(),
        count => format!("{} payments", grouped(count)),
    }
}

/// A count with its thousands apart: `148,854`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part in per cent, with as many digits as it needs: `12 %`, `0.52 %`, `0.003 %`.
#[expect(clippy::cast_precision_loss, reason = "for people to read")]
pub(super) fn percent(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    match percent {
        0.0 => "0 %".to_owned(),
        x if x < 0.001 => "< 0.001 %".to_owned(),
        x if x < 0.1 => format!("{x:.3} %"),
        x if x < 10.0 => format!("{x:.2} %"),
        x => format!("{x:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut html = Html::default();
        html.line("p", &[("title", &"\"><script>")], "a<b>&'c'");
        assert_eq!(
            html.into_string(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">a&lt;b&gt;&amp;&#39;c&#39;</p>\n"
        );
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(percent(1, 0), "100.0 %");
        assert_eq!(percent(0, 3), "0 %");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(1, 200), "0.50 %");
        assert_eq!(percent(1, 20_000), "0.005 %");
        assert_eq!(percent(1, 1_000_000), "< 0.001 %");
    }
}
