//! Subject identifiers as transmitters write them (RFC 9493, SSF 1.0 §3), parsed.
//!
//! Reading is lenient where no doubt about the subject can arise: members that a format does not
//! define are ignored, and a format that we do not know is kept as such, since an event without an
//! effect may have any subject. Whether a subject can be *acted on* is asked in
//! [`crate::authority`]. A known format without its members, and names for the same thing inside
//! each other, are refused.

use std::fmt;

use crate::json::{Object, Value, excerpt};

/// The longest name in an identifier. An `iss` is a URL, a name a line; no URL that works
/// everywhere is longer.
pub const MAX_NAME_BYTES: usize = 2048;

/// At most this many identifiers in one `aliases`; each costs a record.
pub const MAX_ALIASES: usize = 16;

/// Whom an event is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// One identifier.
    Simple(SubjectIdentifier),
    /// Several that must all match (SSF 1.0 §3.3), in the order of the text; at least one.
    Complex(Vec<(Member, SubjectIdentifier)>),
}

/// How older transmitters may spell a subject. `Default` is as RFC 9493 and SSF 1.0 have it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Forms {
    /// Members of a complex subject without `"format": "complex"`.
    pub complex_without_format: bool,
    /// `subject_type` for `format`, with `iss-sub` for `iss_sub` and `phone` for `phone_number`.
    pub subject_type: bool,
}

/// What a part of a complex subject is (SSF 1.0 §3.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Member {
    /// `user`
    User,
    /// `device`
    Device,
    /// `session`
    Session,
    /// `application`
    Application,
    /// `tenant`
    Tenant,
    /// `org_unit`
    OrgUnit,
    /// `group`
    Group,
    /// Any other.
    Other(String),
}

/// One subject identifier.
#[derive(Clone, Eq, PartialEq)]
pub enum SubjectIdentifier {
    /// `account`
    Account {
        /// An `acct:` URI.
        uri: String,
    },
    /// `email`
    Email {
        /// A mail address.
        email: String,
    },
    /// `iss_sub`
    IssSub {
        /// Who uses the name.
        iss: String,
        /// The name.
        sub: String,
    },
    /// `opaque`
    Opaque {
        /// The name.
        id: String,
    },
    /// `phone_number`
    PhoneNumber {
        /// A phone number.
        phone_number: String,
    },
    /// `did`
    Did {
        /// A DID URL.
        url: String,
    },
    /// `uri`
    Uri {
        /// A URI.
        uri: String,
    },
    /// `jwt_id` (SSF 1.0 §3.5)
    JwtId {
        /// Who issued the token.
        iss: String,
        /// The token's name.
        jti: String,
    },
    /// `saml_assertion_id` (SSF 1.0 §3.5)
    SamlAssertionId {
        /// Who issued the assertion.
        issuer: String,
        /// The assertion's name.
        assertion_id: String,
    },
    /// `aliases`: names for the same subject.
    Aliases(Vec<Self>),
    /// A format that we do not know, or cannot use: `ip-addresses` and proprietary ones.
    Other {
        /// The format's name, shortened.
        format: String,
    },
}

/// Why a subject identifier is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubjectError {
    /// Not a JSON object.
    #[error("{place} is {kind}, not an object")]
    NotAnObject {
        /// Where it stands.
        place: String,
        /// What it is.
        kind: &'static str,
    },
    /// A member that the format needs.
    #[error("{place} has no `{member}`")]
    Missing {
        /// Where it should stand.
        place: String,
        /// Its name.
        member: &'static str,
    },
    /// A member of the wrong type.
    #[error("`{member}` of {place} is {kind}, not {expected}")]
    WrongType {
        /// Where it stands.
        place: String,
        /// Its name.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        kind: &'static str,
    },
    /// A name with nothing in it.
    #[error("`{member}` of {place} is empty")]
    Empty {
        /// Where it stands.
        place: String,
        /// Its name.
        member: &'static str,
    },
    /// A name longer than [`MAX_NAME_BYTES`].
    #[error("`{member}` of {place} has {length} bytes, at most {MAX_NAME_BYTES} are allowed")]
    TooLong {
        /// Where it stands.
        place: String,
        /// Its name.
        member: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A complex subject that says nothing about anybody: it would match everybody.
    #[error("complex subject has no members")]
    NoMembers,
    /// `complex` or `aliases` where only a simple identifier may stand.
    #[error("{place} has format `{format}`, which must not be nested")]
    Nested {
        /// Where it stands.
        place: String,
        /// The format.
        format: &'static str,
    },
    /// More than [`MAX_ALIASES`].
    #[error("`aliases` has {count} identifiers, at most {MAX_ALIASES} are allowed")]
    TooManyAliases {
        /// How many there are.
        count: usize,
    },
}

impl Subject {
    /// Reads the `sub_id` of a SET.
    pub fn parse(value: &Value<'_>) -> Result<Self, SubjectError> {
        Self::parse_as(value, Forms::default())
    }

    /// Reads a subject that may have older `forms`.
    pub fn parse_as(value: &Value<'_>, forms: Forms) -> Result<Self, SubjectError> {
        let place = Place::Subject;
        let object = object(value, place)?;
        if forms.complex_without_format && is_complex_without_format(object) {
            return complex(object, forms);
        }
        if format(object, place, forms)? == "complex" {
            complex(object, forms)
        } else {
            SubjectIdentifier::parse(object, place, forms).map(Self::Simple)
        }
    }

    /// The subject of an event about the stream that it came on.
    #[must_use]
    pub fn absent() -> Self {
        Self::Simple(SubjectIdentifier::Other { format: "absent".to_owned() })
    }
}

impl Member {
    fn from_name(name: &str) -> Self {
        match name {
            "user" => Self::User,
            "device" => Self::Device,
            "session" => Self::Session,
            "application" => Self::Application,
            "tenant" => Self::Tenant,
            "org_unit" => Self::OrgUnit,
            "group" => Self::Group,
            other => Self::Other(excerpt(other)),
        }
    }

    /// Its name as SSF writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Device => "device",
            Self::Session => "session",
            Self::Application => "application",
            Self::Tenant => "tenant",
            Self::OrgUnit => "org_unit",
            Self::Group => "group",
            Self::Other(name) => name,
        }
    }
}

impl SubjectIdentifier {
    fn parse(object: &Object<'_>, place: Place<'_>, forms: Forms) -> Result<Self, SubjectError> {
        let text = |member| text(object, member, place).map(str::to_owned);
        Ok(match format(object, place, forms)? {
            "account" => Self::Account { uri: text("uri")? },
            "email" => Self::Email { email: text("email")? },
            "iss_sub" => Self::IssSub { iss: text("iss")?, sub: text("sub")? },
            "opaque" => Self::Opaque { id: text("id")? },
            "phone_number" if forms.subject_type && !object.contains("phone_number") => {
                Self::PhoneNumber { phone_number: text("phone")? }
            }
            "phone_number" => Self::PhoneNumber { phone_number: text("phone_number")? },
            "did" => Self::Did { url: text("url")? },
            "uri" => Self::Uri { uri: text("uri")? },
            "jwt_id" => Self::JwtId { iss: text("iss")?, jti: text("jti")? },
            "saml_assertion_id" => Self::SamlAssertionId {
                issuer: text("issuer")?,
                assertion_id: text("assertion_id")?,
            },
            "complex" => return Err(nested(place, "complex")),
            "aliases" if matches!(place, Place::Alias(_)) => return Err(nested(place, "aliases")),
            "aliases" => Self::Aliases(aliases(object, place, forms)?),
            other => Self::Other { format: excerpt(other) },
        })
    }

    /// The name of its format.
    #[must_use]
    pub fn format(&self) -> &str {
        match self {
            Self::Account { .. } => "account",
            Self::Email { .. } => "email",
            Self::IssSub { .. } => "iss_sub",
            Self::Opaque { .. } => "opaque",
            Self::PhoneNumber { .. } => "phone_number",
            Self::Did { .. } => "did",
            Self::Uri { .. } => "uri",
            Self::JwtId { .. } => "jwt_id",
            Self::SamlAssertionId { .. } => "saml_assertion_id",
            Self::Aliases(_) => "aliases",
            Self::Other { format } => format,
        }
    }
}

/// Shows the format, never the name: it may be a person's.
impl fmt::Debug for SubjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectIdentifier").field("format", &self.format()).finish_non_exhaustive()
    }
}

/// Where an identifier stands; for messages.
#[derive(Clone, Copy)]
enum Place<'a> {
    Subject,
    Member(&'a Member),
    Alias(usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("`sub_id`"),
            Self::Member(member) => write!(f, "`sub_id.{}`", member.name()),
            Self::Alias(index) => write!(f, "`identifiers[{index}]`"),
        }
    }
}

/// The name of the format, as RFC 9493 spells it.
fn format<'v>(
    object: &'v Object<'_>,
    place: Place<'_>,
    forms: Forms,
) -> Result<&'v str, SubjectError> {
    if !forms.subject_type || object.contains("format") {
        return text(object, "format", place);
    }
    Ok(match text(object, "subject_type", place)? {
        "iss-sub" => "iss_sub",
        "phone" => "phone_number",
        other => other,
    })
}

/// Whether `object` has no format of its own, and a member that has one.
fn is_complex_without_format(object: &Object<'_>) -> bool {
    let has_format =
        |object: &Object<'_>| object.contains("format") || object.contains("subject_type");
    !has_format(object) && object.iter().any(|(_, value)| value.as_object().is_some_and(has_format))
}

fn complex(object: &Object<'_>, forms: Forms) -> Result<Subject, SubjectError> {
    let members = object
        .iter()
        .filter(|(name, _)| *name != "format")
        .map(|(name, value)| {
            let member = Member::from_name(name);
            let place = Place::Member(&member);
            let identifier = SubjectIdentifier::parse(self::object(value, place)?, place, forms)?;
            Ok((member, identifier))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if members.is_empty() {
        return Err(SubjectError::NoMembers);
    }
    Ok(Subject::Complex(members))
}

fn aliases(
    container: &Object<'_>,
    place: Place<'_>,
    forms: Forms,
) -> Result<Vec<SubjectIdentifier>, SubjectError> {
    const MEMBER: &str = "identifiers";
    let missing = || SubjectError::Missing { place: place.to_string(), member: MEMBER };
    let value = container.get(MEMBER).ok_or_else(missing)?;
    let Some(values) = value.as_array() else {
        return Err(SubjectError::WrongType {
            place: place.to_string(),
            member: MEMBER,
            expected: "an array",
            kind: value.kind(),
        });
    };
    match values.len() {
        0 => Err(SubjectError::Empty { place: place.to_string(), member: MEMBER }),
        1..=MAX_ALIASES => values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let place = Place::Alias(index);
                SubjectIdentifier::parse(object(value, place)?, place, forms)
            })
            .collect(),
        count => Err(SubjectError::TooManyAliases { count }),
    }
}

fn object<'v, 'a>(value: &'v Value<'a>, place: Place<'_>) -> Result<&'v Object<'a>, SubjectError> {
    let wrong = || SubjectError::NotAnObject { place: place.to_string(), kind: value.kind() };
    value.as_object().ok_or_else(wrong)
}

/// A member that every identifier of its format has: a text, neither empty nor endless.
fn text<'v>(
    object: &'v Object<'_>,
    member: &'static str,
    place: Place<'_>,
) -> Result<&'v str, SubjectError> {
    let missing = || SubjectError::Missing { place: place.to_string(), member };
    let value = object.get(member).ok_or_else(missing)?;
    match value.as_str() {
        None => Err(SubjectError::WrongType {
            place: place.to_string(),
            member,
            expected: "a string",
            kind: value.kind(),
        }),
        Some("") => Err(SubjectError::Empty { place: place.to_string(), member }),
        Some(text) if text.len() > MAX_NAME_BYTES => {
            Err(SubjectError::TooLong { place: place.to_string(), member, length: text.len() })
        }
        Some(text) => Ok(text),
    }
}

fn nested(place: Place<'_>, format: &'static str) -> SubjectError {
    SubjectError::Nested { place: place.to_string(), format }
}
