//! What is wrong with a configuration: all of it, in the order of the paths.

use std::fmt;

/// One problem.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[error("{}: {problem}; {remedy}", Path(.path))]
pub struct Problem {
    /// Where, such as `issuers[0].keys.url`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// All problems of a configuration; at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

/// Collects problems while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
}

impl ConfigErrors {
    /// The problems, sorted by path.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Problems {
    /// Notes a problem, unless there is one already at `path` or above it: what follows from it
    /// would only confuse.
    pub(super) fn add(
        &mut self,
        path: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let is_known = self.found.iter().any(|known| covers(&known.path, path));
        if !is_known {
            self.found.push(Problem {
                path: path.to_owned(),
                problem: problem.into(),
                remedy: remedy.into(),
            });
        }
    }

    /// `value` if there was no problem at all.
    pub(super) fn unless_any<T>(mut self, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => {
                self.found.sort();
                Err(ConfigErrors { problems: self.found })
            }
        }
    }
}

/// Whether `upper` is `path` or something that holds it.
fn covers(upper: &str, path: &str) -> bool {
    upper.is_empty()
        || path
            .strip_prefix(upper)
            .is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'.' | b'[')))
}

impl fmt::Display for ConfigErrors {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.problems.iter().try_for_each(|problem| {
            write!(f, "{separator}{problem}")?;
            separator = "\n";
            Ok(())
        })
    }
}

impl std::error::Error for ConfigErrors {}

struct Path<'a>(&'a str);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("configuration") } else { write!(f, "`{}`", self.0) }
    }
}
