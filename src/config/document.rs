//! A TOML file taken apart: every setting in it, by its path, with its position.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place, Position, Problem};
use crate::scoring::policy;

/// A TOML file whose syntax is fine.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    /// Every setting, in the order of the file.
    pub(super) settings: Vec<Given>,
}

/// A setting as the file gives it.
#[derive(Debug)]
pub(super) struct Given {
    /// Its path through the tables, such as `grpc.address`.
    pub(super) path: String,
    /// Its value.
    pub(super) value: Scalar,
    key_at: Position,
    value_at: Position,
}

/// A value as TOML writes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    /// A table with nothing in it.
    EmptyTable,
    /// What no setting takes: a list, a date.
    Other,
}

impl Document {
    /// Reads the file at `path`; fails with every fault of its syntax.
    pub(super) fn read(path: &Path) -> Result<Self, Vec<Fault>> {
        read_table(path, Problem::Syntax, |text, table| {
            let mut settings = Vec::new();
            collect(text, "", table, &mut settings);
            settings.sort_by_key(|given| given.key_at);
            Self {
                path: path.to_owned(),
                settings,
            }
        })
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The setting at `path`, if the file gives it.
    pub(super) fn find(&self, path: &str) -> Option<&Given> {
        self.settings.iter().find(|given| given.path == path)
    }

    /// Where `given` stands.
    pub(super) fn place_of(&self, given: &Given) -> Place {
        Place::File {
            path: self.path.clone(),
            position: Some(given.value_at),
        }
    }

    /// A fault of `given`, at its name or at its value, whichever is wrong.
    pub(super) fn fault(&self, given: &Given, problem: policy::Problem) -> Fault {
        let position = match problem {
            policy::Problem::Unknown { .. } | policy::Problem::NotOverridable { .. } => {
                given.key_at
            }
            policy::Problem::WrongType { .. }
            | policy::Problem::OutOfRange { .. }
            | policy::Problem::Contradicts { .. } => given.value_at,
        };
        self.fault_at(position, given.path.clone(), problem)
    }

    /// A fault of a setting that the file does not mention.
    pub(super) fn fault_of_the_unsaid(&self, field: String, problem: policy::Problem) -> Fault {
        self.fault_at(Position { line: 1, column: 1 }, field, problem)
    }

    fn fault_at(&self, position: Position, field: String, problem: policy::Problem) -> Fault {
        Fault {
            place: Place::File {
                path: self.path.clone(),
                position: Some(position),
            },
            field,
            problem: Problem::Setting(problem),
        }
    }
}

/// Hands the text of the TOML file at `path`, and the table that it is, to `take`. Fails with every fault of its
/// syntax, each the problem that `is_no_toml` makes of it.
pub(super) fn read_table<T>(
    path: &Path,
    is_no_toml: fn(String) -> Problem,
    take: impl FnOnce(&str, &DeTable<'_>) -> T,
) -> Result<T, Vec<Fault>> {
    let fault = |position, problem| Fault {
        place: Place::File {
            path: path.to_owned(),
            position,
        },
        field: String::new(),
        problem,
    };
    let text = fs::read_to_string(path)
        .map_err(|error| vec![fault(None, Problem::Unreadable(error.to_string()))])?;
    let (table, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        return Ok(take(&text, table.get_ref()));
    }
    let faults = errors.iter().map(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        let position = Position::of(&text, at);
        fault(Some(position), is_no_toml(error.message().to_owned()))
    });
    Err(faults.collect())
}

fn collect(text: &str, prefix: &str, table: &DeTable<'_>, settings: &mut Vec<Given>) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => {
                collect(text, &format!("{path}."), inner, settings);
            }
            scalar => settings.push(Given {
                path,
                value: Scalar::of(scalar),
                key_at: Position::of(text, key.span().start),
                value_at: Position::of(text, value.span().start),
            }),
        }
    }
}

impl Scalar {
    fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(integer) => {
                // What 64 bits cannot hold is a number all the same: far out of any range.
                i64::from_str_radix(integer.as_str(), integer.radix())
                    .map_or(Self::Number(f64::INFINITY), Self::Integer)
            }
            DeValue::Float(float) => float.as_str().parse().map_or(Self::Other, Self::Number),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Table(_) => Self::EmptyTable,
            DeValue::Datetime(_) | DeValue::Array(_) => Self::Other,
        }
    }
}
