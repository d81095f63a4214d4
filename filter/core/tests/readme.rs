//! The tables in the README are written from the types; `make docs` writes them again.

use std::path::Path;

use rescind_core::{config, event, metrics};

#[test]
fn the_readme_shows_the_tables_that_the_code_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let mut expected = readme.clone();
    for (name, table) in [
        ("events", event::reference()),
        ("configuration", config::reference()),
        ("metrics", metrics::reference()),
    ] {
        let begin = format!("<!-- {name}: begin (generated: make docs) -->\n");
        let end = format!("<!-- {name}: end -->");
        let (before, rest) = expected.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        expected = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("RESCIND_WRITE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(readme == expected, "the README's tables are out of date: run `make docs`");
    }
}
