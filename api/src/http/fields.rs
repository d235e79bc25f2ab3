//! The fields of a body's object; everything that is wrong is found before anything is said.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::problem::{FieldError, Problem};
use super::values::Value;

/// The fields of a body that nobody has read yet, and what is wrong so far.
pub(crate) struct Fields<'a> {
    unread: BTreeMap<String, &'a RawValue>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// The fields of a body; it must be an object. Null is the same as absent, except where it is required.
    pub(crate) fn of(text: &'a [u8]) -> Result<Fields<'a>, Problem> {
        let object = || Problem::invalid(vec![FieldError::body("the body must be a JSON object")]);
        let unread = serde_json::from_slice(text).map_err(|_| object())?;
        Ok(Fields { unread, errors: Vec::new() })
    }

    /// A field that must be there.
    pub(crate) fn required<T>(&mut self, name: &str, read: impl Fn(&RawValue) -> Value<T>) -> Option<T> {
        match self.unread.remove(name) {
            Some(raw) => self.read(name, raw, read),
            None => {
                self.refuse(name, "is required");
                None
            }
        }
    }

    /// A field that may be absent.
    pub(crate) fn optional<T>(&mut self, name: &str, read: impl Fn(&RawValue) -> Value<T>) -> Option<T> {
        let raw = self.unread.remove(name).filter(|raw| raw.get() != "null")?;
        self.read(name, raw, read)
    }

    fn read<T>(&mut self, name: &str, raw: &RawValue, read: impl Fn(&RawValue) -> Value<T>) -> Option<T> {
        read(raw).map_err(|detail| self.refuse(name, &detail)).ok()
    }

    /// Something is wrong with that field.
    pub(crate) fn refuse(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError::field(name, detail));
    }

    /// What the fields make, if nothing is wrong and none is left over.
    pub(crate) fn finish<T>(mut self, made: Option<T>) -> Result<T, Problem> {
        for name in std::mem::take(&mut self.unread).into_keys() {
            let name: String = name.chars().take(64).collect();
            self.refuse(&name, "is no field of this call");
        }
        match made {
            Some(made) if self.errors.is_empty() => Ok(made),
            None if self.errors.is_empty() => Err(Problem::internal()),
            _ => Err(Problem::invalid(self.errors)),
        }
    }
}
