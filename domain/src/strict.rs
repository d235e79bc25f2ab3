//! The stricter look at a record from outside: every object's fields are there once, and nothing nests too deeply.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::envelope::{Refusal, refuse_json, text_of};
use crate::reason::RefuseReason;

/// How deep objects and arrays of an outside record may nest.
pub const MAX_DEPTH: usize = 32;

/// Checks the value of an outside record as a whole, before its envelope is read.
pub fn check(value: Option<&[u8]>) -> Result<(), Refusal> {
    let text = text_of(value)?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| refuse_json(&error))?;
    check_value(whole.get(), MAX_DEPTH)
}

fn check_value(text: &str, depth: usize) -> Result<(), Refusal> {
    let first = text.as_bytes().first();
    if !matches!(first, Some(b'{' | b'[')) {
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Refusal::new(RefuseReason::BadEnvelope, format!("nests deeper than {MAX_DEPTH} levels")));
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let children = if first == Some(&b'{') { json.deserialize_map(Fields) } else { json.deserialize_seq(Items) };
    for child in children.map_err(|error| refuse_json(&error))? {
        check_value(child.get(), depth)?;
    }
    Ok(())
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<&'de RawValue>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut names = BTreeSet::new();
        let mut children = Vec::new();
        while let Some((name, child)) = map.next_entry::<String, &RawValue>()? {
            children.push(child);
            if let Some(name) = names.replace(name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name:.64}`")));
            }
        }
        Ok(children)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de RawValue>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = sequence.next_element::<&RawValue>()? {
            children.push(child);
        }
        Ok(children)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<RefuseReason> {
        check(Some(text.as_bytes())).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn finds_duplicate_fields_at_any_depth() {
        assert_eq!(reason(r#"{"a":1,"b":{"c":[{"d":1}]}}"#), None);
        assert_eq!(reason(r#"{"a":1,"a":1}"#), Some(RefuseReason::DuplicateField));
        assert_eq!(reason(r#"{"a":[{"b":{"c":1,"\u0063":2}}]}"#), Some(RefuseReason::DuplicateField));
    }

    #[test]
    fn refuses_deep_nesting_without_running_out_of_stack() {
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(reason(&deep), Some(RefuseReason::BadEnvelope));
        assert_eq!(reason(&"[".repeat(500_000)), Some(RefuseReason::NotJson));
    }

    #[test]
    fn numbers_are_never_read_as_floats() {
        assert_eq!(reason(r#"{"a":1e400,"b":123456789012345678901234567890}"#), None);
    }
}
