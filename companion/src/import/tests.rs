use std::io::BufRead;

use super::*;

#[test]
fn what_somebody_wrote_is_shown_short_and_obeyed_by_no_terminal() {
    assert_eq!(excerpt("\u{1b}[2J"), "\\u{1b}[2J");
    assert_eq!(excerpt(&"x".repeat(64)), "x".repeat(64));
    assert_eq!(excerpt(&"x".repeat(65)), format!("{}…", "x".repeat(64)));
}

#[test]
fn the_first_line_tells_what_a_file_holds() {
    for (line, format) in [
        (r#"{"sub_id":{}}"#, Format::Ndjson),
        ("eyJ0.eyJp.c2ln", Format::Sets),
        ("iss,sub,time", Format::Csv),
        ("email", Format::Csv),
    ] {
        assert_eq!(Format::of_line(line), format, "{line}");
    }
}

#[test]
fn a_line_is_read_up_to_its_limit_and_a_longer_one_is_only_itself_lost() {
    let limit = usize::try_from(MAX_LINE_BYTES).unwrap();
    let text = format!("{}\n{}\nlast", "a".repeat(limit - 1), "b".repeat(limit * 2));
    let input: Box<dyn BufRead> = Box::new(io::Cursor::new(text));
    let mut lines = Lines::of(input, Path::new("-"));
    let (_, at_limit) = lines.next().unwrap().unwrap();
    assert_eq!(at_limit.map(|line| line.len()), Ok(limit - 1));
    let (_, beyond) = lines.next().unwrap().unwrap();
    assert_eq!(beyond, Err("it is longer than 131072 bytes".to_owned()));
    let (raw, last) = lines.next().unwrap().unwrap();
    assert_eq!((raw, last, lines.number()), (b"last".to_vec(), Ok("last".to_owned()), 3));
    assert!(lines.next().unwrap().is_none());
}
