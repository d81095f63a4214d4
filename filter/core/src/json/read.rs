//! The visitor that builds a [`Value`] under [`Limits`]. It refuses at the first violation, before
//! it keeps more.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{JsonError, Limits, Number, Object, Value, excerpt};

/// Up to this many members, comparing each name with all before it is faster than sorting.
const LINEAR_MEMBERS: usize = 24;

/// Reads all of `text`. What a limit found wrong is left in `violation`; serde_json's error then
/// only unwinds.
pub(super) fn document<'a>(
    text: &'a str,
    limits: &Limits,
    violation: &Cell<Option<JsonError>>,
) -> Result<Value<'a>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Reader { limits, violation, depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one value that lies inside `depth` others.
#[derive(Clone, Copy)]
struct Reader<'l> {
    limits: &'l Limits,
    violation: &'l Cell<Option<JsonError>>,
    depth: usize,
}

impl Reader<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.limits.depth {
            return Err(self.refuse(JsonError::TooDeep { limit: self.limits.depth }));
        }
        Ok(Self { depth: self.depth.saturating_add(1), ..self })
    }

    fn refuse<E: serde::de::Error>(self, violation: JsonError) -> E {
        self.violation.set(Some(violation));
        E::custom("")
    }

    fn refuse_duplicate<E: serde::de::Error>(self, name: &str) -> E {
        self.refuse(JsonError::DuplicateMember { name: excerpt(name) })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Signed(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value<'de>, A::Error> {
        let inside = self.inside()?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(inside)? {
            if elements.len() >= self.limits.elements {
                return Err(self.refuse(JsonError::TooManyElements { limit: self.limits.elements }));
            }
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value<'de>, A::Error> {
        let inside = self.inside()?;
        let mut members: Vec<(Cow<'de, str>, Value<'de>)> = Vec::with_capacity(8);
        while let Some(name) = access.next_key_seed(Name)? {
            if members.len() >= self.limits.members {
                return Err(self.refuse(JsonError::TooManyMembers { limit: self.limits.members }));
            }
            if members.len() < LINEAR_MEMBERS && members.iter().any(|(known, _)| *known == name) {
                return Err(self.refuse_duplicate(&name));
            }
            members.push((name, access.next_value_seed(inside)?));
        }
        if members.len() > LINEAR_MEMBERS
            && let Some(name) = duplicate(&members)
        {
            return Err(self.refuse_duplicate(name));
        }
        Ok(Value::Object(Object { members }))
    }
}

/// A name that occurs twice; in O(n log n), because whoever sends a token chooses the names.
fn duplicate<'m>(members: &'m [(Cow<'_, str>, Value<'_>)]) -> Option<&'m str> {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.array_windows().find(|[a, b]| a == b).map(|[name, _]| *name)
}

/// Reads the name of a member, borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
