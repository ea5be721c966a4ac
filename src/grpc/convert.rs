//! Conversion between the wire and the domain. All validation of requests is here, and no wire type goes
//! further.

pub(super) mod request;
pub(super) mod response;
mod page_token;
#[cfg(test)]
mod pinned;

use std::fmt::Display;

/// A request that breaks the contract: every field at fault, in the order of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidRequest {
    pub(super) violations: Vec<Violation>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    /// The field's path in the request, such as `payment.payee.id`.
    pub(super) field: &'static str,
    /// What it would have to be.
    pub(super) description: String,
}

impl InvalidRequest {
    /// One field is at fault.
    pub(super) fn field(field: &'static str, description: impl Display) -> Self {
        Self {
            violations: vec![Violation {
                field,
                description: description.to_string(),
            }],
        }
    }
}

/// Checks field after field and remembers each fault, so that a request is told of all at once.
#[derive(Debug, Default)]
struct Checks {
    violations: Vec<Violation>,
}

impl Checks {
    /// The value, or `None` and a note of what is wrong with it.
    #[inline]
    fn check<T, E: Display>(&mut self, field: &'static str, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.note(field, &problem)).ok()
    }

    #[cold]
    fn note(&mut self, field: &'static str, problem: &dyn Display) {
        self.violations.push(Violation {
            field,
            description: problem.to_string(),
        });
    }

    /// A message that must be there.
    #[inline]
    fn required<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        self.check(field, value.ok_or("must be set"))
    }

    /// A field that may be absent, but not wrong.
    #[inline]
    fn optional<T, U, E: Display>(
        &mut self,
        field: &'static str,
        value: Option<T>,
        convert: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Option<U>> {
        self.check(field, value.map(convert).transpose())
    }

    /// What was built of the checked fields, unless one was at fault.
    #[inline]
    fn finish<T>(self, value: Option<T>) -> Result<T, InvalidRequest> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            Some(_) | None => Err(InvalidRequest {
                violations: self.violations,
            }),
        }
    }
}
