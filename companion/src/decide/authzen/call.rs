//! One call: one question or several, and when to stop.

use rescind_core::json::{self, Object, Value};

use super::question::{Members, Question, QuestionError};

/// Questions in one call. A token that was not seen before costs some 50 µs, during which the
/// thread answers nobody else.
const MAX_EVALUATIONS: usize = 32;

/// What is asked.
#[derive(Debug)]
pub(super) enum Call<'a> {
    /// One question, answered by itself.
    One(Box<Question<'a>>),
    /// A list of them; of one that cannot be read is said why, and the others can be answered (§7.2.1).
    Several { semantic: Semantic, questions: Vec<Result<Question<'a>, QuestionError>> },
}

/// When to stop (§7.1.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// Why a call is answered with 400.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{0}")]
    Json(#[from] json::JsonError),
    #[error("{0}")]
    Question(#[from] QuestionError),
    #[error("`{name}` is {found}, not {expected}")]
    Kind { name: &'static str, found: &'static str, expected: &'static str },
    #[error("`evaluations` has {0} elements, at most {MAX_EVALUATIONS} are answered")]
    TooMany(usize),
    #[error("`options.evaluations_semantic` is not known")]
    Semantic,
}

impl<'a> Call<'a> {
    /// Reads `value`, sent to where one question is asked, or `several`.
    pub(super) fn read(value: &'a Value<'a>, several: bool) -> Result<Self, Malformed> {
        let call = object(value, "the body")?;
        let defaults = Members::of(call);
        let evaluations = match call.get("evaluations") {
            Some(evaluations) if several => match evaluations {
                Value::Array(elements) => elements.as_slice(),
                other => {
                    let (name, expected) = ("evaluations", "an array");
                    return Err(Malformed::Kind { name, found: other.kind(), expected });
                }
            },
            // Unknown members mean nothing (§5).
            Some(_) | None => &[],
        };
        if evaluations.is_empty() {
            return Ok(Self::One(Box::new(Question::read(&defaults)?)));
        }
        if evaluations.len() > MAX_EVALUATIONS {
            return Err(Malformed::TooMany(evaluations.len()));
        }
        let semantic = Semantic::of(call)?;
        let mut questions = Vec::with_capacity(evaluations.len());
        for element in evaluations {
            let members = Members::of(object(element, "evaluations[]")?);
            questions.push(Question::read(&members.or(&defaults)));
        }
        Ok(Self::Several { semantic, questions })
    }
}

impl Semantic {
    fn of(call: &Object<'_>) -> Result<Self, Malformed> {
        let Some(options) = call.get("options") else { return Ok(Self::ExecuteAll) };
        let options = object(options, "options")?;
        match options.get("evaluations_semantic").map(Value::as_str) {
            None | Some(Some("execute_all")) => Ok(Self::ExecuteAll),
            Some(Some("deny_on_first_deny")) => Ok(Self::DenyOnFirstDeny),
            Some(Some("permit_on_first_permit")) => Ok(Self::PermitOnFirstPermit),
            Some(_) => Err(Malformed::Semantic),
        }
    }

    /// Whether a decision is the last one.
    pub(super) const fn ends_with(self, permitted: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !permitted,
            Self::PermitOnFirstPermit => permitted,
        }
    }
}

fn object<'a>(value: &'a Value<'a>, name: &'static str) -> Result<&'a Object<'a>, Malformed> {
    let wrong = Malformed::Kind { name, found: value.kind(), expected: "an object" };
    value.as_object().ok_or(wrong)
}
