//! Checks a document's shape against the table of names, and takes out what does not fit, so that the rest can still
//! be checked.

use serde_json::{Map, Value};

use super::problems::Problems;
use super::schema::{Field, Kind};

/// Names that other versions or other products use, and ours.
const RENAMED: [(&str, &str); 9] = [
    ("audience", "audiences"),
    ("algorithm", "algorithms"),
    ("jwks", "keys"),
    ("jwks_uri", "url"),
    ("leeway", "leeway_secs"),
    ("max_token_lifetime", "max_token_lifetime_secs"),
    ("max_staleness", "max_staleness_secs"),
    ("prefix", "path_prefix"),
    ("scope", "scopes"),
];

/// Reports and takes out every member of `document` that does not fit `fields`. `null` counts as
/// absent.
pub(super) fn prune(document: &mut Value, fields: &[Field], path: &str, problems: &mut Problems) {
    let Some(members) = document.as_object_mut() else {
        let found = kind_of(document);
        problems.add(
            path,
            format!("must be an object, is {found}"),
            "see the configuration reference",
        );
        *document = Value::Object(Map::new());
        return;
    };
    members.retain(|_, value| !value.is_null());
    members.retain(|name, value| {
        let here = join(path, name);
        match fields.iter().find(|field| field.name == name) {
            Some(field) => fits(value, field.kind, &here, problems),
            None => {
                problems.add(&here, "unknown name", suggestion(name, fields));
                false
            }
        }
    });
}

/// Whether `value` can be read as `kind`, after its own members were pruned.
fn fits(value: &mut Value, kind: Kind, path: &str, problems: &mut Problems) -> bool {
    let (expected, fits) = match (kind, &mut *value) {
        (Kind::Object(fields), Value::Object(_)) => {
            prune(value, fields, path, problems);
            return true;
        }
        (Kind::Objects(fields), Value::Array(elements)) => {
            for (index, element) in elements.iter_mut().enumerate() {
                prune(element, fields, &format!("{path}[{index}]"), problems);
            }
            return true;
        }
        (Kind::Texts, Value::Array(elements)) => {
            for (index, element) in elements.iter_mut().enumerate() {
                if !element.is_string() {
                    let problem = format!("must be a text, is {}", kind_of(element));
                    problems.add(&format!("{path}[{index}]"), problem, "put it in quotes");
                    // Stays in its place, so that the paths of the others stay true.
                    *element = Value::String(String::new());
                }
            }
            return true;
        }
        (Kind::Number, Value::Number(number)) => {
            // Envoy's configuration passes through protobuf's Struct, whose numbers are all
            // doubles.
            let whole = number.as_u64().or_else(|| whole_number(number.as_f64()?));
            if let Some(whole) = whole {
                *value = Value::from(whole);
            }
            ("a whole number from zero on", whole.is_some())
        }
        (Kind::Number, _) => ("a whole number from zero on", false),
        (Kind::Text, other) => ("a text", other.is_string()),
        (Kind::Flag, other) => ("true or false", other.is_boolean()),
        (Kind::Texts, _) => ("a list of texts", false),
        (Kind::Json, other) => ("an object", other.is_object()),
        (Kind::Object(_), _) => ("an object", false),
        (Kind::Objects(_), _) => ("a list of objects", false),
    };
    if !fits {
        let found = kind_of(value);
        problems.add(
            path,
            format!("must be {expected}, is {found}"),
            "see the configuration reference",
        );
    }
    fits
}

/// `number` if it is one that a double holds exactly.
fn whole_number(number: f64) -> Option<u64> {
    const FIRST_INEXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && (0.0..FIRST_INEXACT).contains(&number);
    is_whole.then(|| format!("{number:.0}").parse().ok()).flatten()
}

fn suggestion(name: &str, fields: &[Field]) -> String {
    let has = |wanted: &str| fields.iter().any(|field| field.name == wanted);
    let ours = RENAMED.iter().find(|(theirs, ours)| *theirs == name && has(ours));
    let similar = fields.iter().find(|field| is_similar(field.name, name));
    match ours.map(|(_, ours)| *ours).or(similar.map(|field| field.name)) {
        Some(ours) => format!("did you mean `{ours}`"),
        None => {
            let names: Vec<String> =
                fields.iter().map(|field| format!("`{}`", field.name)).collect();
            format!("known here are {}", names.join(", "))
        }
    }
}

/// Whether the names are the same but for case, separators and a missing or additional plural.
fn is_similar(ours: &str, theirs: &str) -> bool {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase().trim_end_matches('s').to_owned()
    };
    plain(ours) == plain(theirs)
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
