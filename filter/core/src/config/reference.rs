//! The configuration reference, written from the table that configurations are checked against.

use super::schema::{CONFIG, Field, Kind};

/// All names of the configuration as a table in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = "| Name | Kind | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    rows(CONFIG, "", &mut text);
    text
}

fn rows(fields: &[Field], path: &str, text: &mut String) {
    for Field { name, kind, default, help } in fields {
        let path = super::shape::join(path, name);
        let (kind, below): (_, &[Field]) = match kind {
            Kind::Text => ("text", &[]),
            Kind::Number => ("number", &[]),
            Kind::Flag => ("true or false", &[]),
            Kind::Texts => ("list of texts", &[]),
            Kind::Json => ("object", &[]),
            Kind::Object(fields) => ("object", fields),
            Kind::Objects(fields) => ("list", fields),
        };
        text.push_str(&format!("| `{path}` | {kind} | {default} | {help} |\n"));
        let path = if kind == "list" { format!("{path}[]") } else { path };
        rows(below, &path, text);
    }
}
