//! What can be wrong with settings, and where: told all at once, each in one line an editor can jump to.

use std::fmt;
use std::path::PathBuf;

use crate::scoring::policy;

/// Something that is wrong with one setting, or with a file as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where it was said.
    pub place: Place,
    /// The setting's path, such as `grpc.address`; of a fault of a file as a whole, the setting that names the file.
    /// Empty where no setting is meant.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file; without a position where the file cannot even be read.
    File {
        /// Which.
        path: PathBuf,
        /// Where in it.
        position: Option<Position>,
    },
    /// In a variable of the environment.
    Variable(String),
    /// In a flag of the command line.
    Flag(&'static str),
}

/// A place in a text, as editors count: from 1, in lines and characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Which line.
    pub line: usize,
    /// Which character of the line.
    pub column: usize,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// The file cannot be read.
    Unreadable(String),
    /// The file is not TOML.
    Syntax(String),
    /// The setting cannot be taken as it is.
    Setting(policy::Problem),
    /// What the file holds cannot be taken as it is, or does not go with what another one holds.
    Content(String),
}

impl Fault {
    /// Where in its file, if it is in one: faults of a file are told in this order.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self.place {
            Place::File { position, .. } => position,
            Place::Variable(_) | Place::Flag(_) => None,
        }
    }
}

impl Position {
    /// The position of the byte at `offset` in `text`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match &self.place {
            // The name of the variable or flag says which setting is meant.
            Place::Variable(_) | Place::Flag(_) => {}
            Place::File { .. } if self.field.is_empty() => {}
            Place::File { .. } => write!(f, "{}: ", self.field)?,
        }
        write!(f, "{}", self.problem)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, position } => {
                write!(f, "{}", path.display())?;
                match position {
                    Some(Position { line, column }) => write!(f, ":{line}:{column}"),
                    None => Ok(()),
                }
            }
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Syntax(why) => write!(f, "is not TOML: {why}"),
            Self::Setting(problem) => problem.fmt(f),
            Self::Content(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "a = 1\nname = \"\u{4e2d}\u{56fd}\" x\n";
        let at = |offset| {
            let Position { line, column } = Position::of(text, offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(4), (1, 5));
        assert_eq!(at(6), (2, 1));
        assert_eq!(at(text.find('x').unwrap()), (2, 13));
        assert_eq!(at(text.len()), (3, 1));
    }
}
