//! The file of tokens: who may call what, by the hashes of tokens and of clients' certificates.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::document::read_table;
use super::fault::{Fault, Place, Position, Problem};
use crate::access::{Access, Fingerprint, Grant, Role};
use crate::scoring::policy::nearest;
use crate::scoring::time::Timestamp;

/// What an entry may say.
const FIELDS: [&str; 5] = ["name", "roles", "sha256", "certificate_sha256", "expires"];

/// Reads the file at `path`.
///
/// # Errors
/// Every fault in it; of one that is not TOML, every fault of that.
pub fn read(path: &Path) -> Result<Access, Vec<Fault>> {
    let (access, faults) = read_table(path, Problem::Content, |text, table| {
        let mut file = Reading {
            path,
            text,
            access: Access::default(),
            faults: Vec::new(),
        };
        file.entries(table);
        (file.access, file.faults)
    })?;
    match faults.is_empty() {
        true => Ok(access),
        false => Err(faults),
    }
}

type Value<'a> = Spanned<DeValue<'a>>;

/// A file as far as it has been read.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    access: Access,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn fault(&mut self, at: usize, field: &str, problem: impl Into<String>) {
        self.faults.push(Fault {
            place: Place::File {
                path: self.path.to_owned(),
                position: Some(Position::of(self.text, at)),
            },
            field: field.to_owned(),
            problem: Problem::Content(problem.into()),
        });
    }

    fn unknown(&mut self, at: usize, field: &str, name: &str, known: &[&str]) {
        let suggestion = nearest(name, known).map(|known| format!("; did you mean `{known}`?"));
        let problem = format!("no such field{}", suggestion.unwrap_or_default());
        self.fault(at, field, problem);
    }

    fn entries(&mut self, file: &DeTable<'_>) {
        for (key, value) in file {
            let (name, at) = (key.get_ref().as_ref(), value.span().start);
            match value.get_ref() {
                DeValue::Array(entries) if name == "token" => {
                    for entry in entries {
                        self.entry(entry);
                    }
                }
                _ if name == "token" => self.fault(at, name, "must be tables, as under [[token]]"),
                _ => self.unknown(key.span().start, name, name, &["token"]),
            }
        }
    }

    /// Adds what one entry gives.
    fn entry(&mut self, entry: &Value<'_>) {
        let at = entry.span().start;
        let DeValue::Table(fields) = entry.get_ref() else {
            return self.fault(at, "token", "must be a table, as under [[token]]");
        };
        for (key, _) in fields {
            let name = key.get_ref().as_ref();
            if !FIELDS.contains(&name) {
                self.unknown(key.span().start, &format!("token.{name}"), name, &FIELDS);
            }
        }
        let given = |name: &str| {
            let found = fields.iter().find(|(key, _)| key.get_ref() == name);
            found.map(|(_, value)| value)
        };
        let grant = Grant {
            name: self.name(at, given("name")),
            roles: self.roles(at, given("roles")),
            expire_time: given("expires").and_then(|value| self.expires(value)),
        };
        let (is_token, value) = match (given("sha256"), given("certificate_sha256")) {
            (Some(value), None) => (true, value),
            (None, Some(value)) => (false, value),
            (Some(_), Some(_)) | (None, None) => {
                let expected = "must have sha256 or certificate_sha256, and not both";
                return self.fault(at, "token", expected);
            }
        };
        let (at, field) = match is_token {
            true => (value.span().start, "token.sha256"),
            false => (value.span().start, "token.certificate_sha256"),
        };
        let Some(fingerprint) = value.get_ref().as_str().and_then(Fingerprint::parse) else {
            return self.fault(at, field, "must be 64 hexadecimal digits");
        };
        let is_new = match is_token {
            true => self.access.add_token(fingerprint, grant),
            false => self.access.add_certificate(fingerprint, grant),
        };
        if !is_new {
            self.fault(at, field, "stands here twice");
        }
    }

    /// Empty where there is none to be had.
    fn name(&mut self, entry_at: usize, value: Option<&Value<'_>>) -> String {
        let field = "token.name";
        let Some(value) = value else {
            self.fault(entry_at, field, "is missing");
            return String::new();
        };
        let name = value.get_ref().as_str();
        match name {
            None => self.fault(value.span().start, field, "must be a text"),
            Some(name) if name.trim().is_empty() => {
                self.fault(value.span().start, field, "must not be empty");
            }
            Some(_) => {}
        }
        name.unwrap_or_default().to_owned()
    }

    fn roles(&mut self, entry_at: usize, value: Option<&Value<'_>>) -> Vec<Role> {
        let field = "token.roles";
        let Some(value) = value else {
            self.fault(entry_at, field, "is missing");
            return Vec::new();
        };
        let DeValue::Array(roles) = value.get_ref() else {
            self.fault(value.span().start, field, "must be a list of roles");
            return Vec::new();
        };
        if roles.is_empty() {
            self.fault(value.span().start, field, "must name a role");
        }
        let mut held = Vec::new();
        for role in roles {
            match role.get_ref().as_str().and_then(Role::from_name) {
                Some(role) => held.push(role),
                None => {
                    let expected = "must be one of score, evidence, admin";
                    self.fault(role.span().start, field, expected);
                }
            }
        }
        held
    }

    fn expires(&mut self, value: &Value<'_>) -> Option<Timestamp> {
        let time = value.get_ref().as_datetime().and_then(moment);
        if time.is_none() {
            let expected = "must be a moment, such as 2027-01-31T00:00:00Z";
            self.fault(value.span().start, "token.expires", expected);
        }
        time
    }
}

/// A moment with its offset; a day or a time of day alone is none.
fn moment(datetime: &Datetime) -> Option<Timestamp> {
    let moment: jiff::Timestamp = datetime.to_string().parse().ok()?;
    Some(Timestamp::from_unix_ms(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::scratch_dir;
    use super::*;
    use crate::access::{Credentials, Denial, Need};

    fn read_text(text: &str) -> Result<Access, Vec<String>> {
        let dir = scratch_dir();
        let path = dir.join("tokens.toml");
        fs::write(&path, text).unwrap();
        let access = read(&path);
        fs::remove_dir_all(&dir).unwrap();
        let folder = format!("{}/", dir.display());
        access.map_err(|faults| {
            let told = faults.iter().map(ToString::to_string);
            told.map(|line| line.replace(&folder, "")).collect()
        })
    }

    #[test]
    fn tokens_have_a_name_roles_a_hash_and_perhaps_an_end() {
        let (scorer, reader) = (Fingerprint::of(b"scorer"), Fingerprint::of(b"reader"));
        let text = format!(
            "[[token]]\nname = \"gateway\"\nroles = [\"score\"]\nsha256 = \"{scorer}\"\n\
             [[token]]\nname = \"desk\"\nroles = [\"evidence\"]\nsha256 = \"{reader}\"\n\
             expires = 2027-01-01T00:00:00Z\n\
             [[token]]\nname = \"client\"\nroles = [\"admin\"]\ncertificate_sha256 = \"{reader}\"\n"
        );
        let access = read_text(&text).unwrap();
        assert_eq!(access.len(), 3);
        let check = |token: &str, needs, unix_ms| {
            let header = format!("Bearer {token}");
            let credentials = Credentials {
                authorization: Some(header.as_bytes()),
                certificate: None,
            };
            access.check(credentials, needs, || Timestamp::from_unix_ms(unix_ms))
        };
        let end_ms = 1_798_761_600_000;
        assert_eq!(check("scorer", Need::Role(Role::Score), i64::MAX), Ok(()));
        assert_eq!(
            check("reader", Need::Role(Role::Evidence), end_ms - 1),
            Ok(())
        );
        assert_eq!(check("reader", Need::Any, end_ms), Err(Denial::Expired));
        assert!(read_text("").unwrap().is_empty());
    }

    #[test]
    fn every_fault_is_told_at_its_place() {
        let hash = Fingerprint::of(b"token");
        let text = format!(
            "[[token]]\nname = \" \"\nroles = [\"score\", \"boss\"]\nsha256 = \"{hash}\"\n\
             [[token]]\nname = \"a\"\nroles = []\nsha256 = \"{hash}\"\nexpires = 2027-01-01\n\
             [[token]]\nname = \"b\"\nroles = [\"score\"]\nsha256 = \"secret\"\n\
             [[token]]\nname = \"c\"\nroles = [\"score\"]\n"
        );
        let expected = [
            "tokens.toml:2:8: token.name: must not be empty",
            "tokens.toml:3:19: token.roles: must be one of score, evidence, admin",
            "tokens.toml:7:9: token.roles: must name a role",
            "tokens.toml:9:11: token.expires: must be a moment, such as 2027-01-31T00:00:00Z",
            "tokens.toml:8:10: token.sha256: stands here twice",
            "tokens.toml:13:10: token.sha256: must be 64 hexadecimal digits",
            "tokens.toml:14:1: token: must have sha256 or certificate_sha256, and not both",
        ];
        assert_eq!(read_text(&text).unwrap_err(), expected);
    }

    #[test]
    fn a_field_that_is_none_hides_no_other_fault() {
        let text = "tokn = 1\n[[token]]\nname = 1\nrole = \"score\"\nexpires = \"soon\"\n\
                    [[token]]\nname = \"b\"\nroles = [\"boss\"]\nsha256 = 7\n";
        let expected = [
            "tokens.toml:4:1: token.role: no such field; did you mean `roles`?",
            "tokens.toml:3:8: token.name: must be a text",
            "tokens.toml:2:1: token.roles: is missing",
            "tokens.toml:5:11: token.expires: must be a moment, such as 2027-01-31T00:00:00Z",
            "tokens.toml:2:1: token: must have sha256 or certificate_sha256, and not both",
            "tokens.toml:8:10: token.roles: must be one of score, evidence, admin",
            "tokens.toml:9:10: token.sha256: must be 64 hexadecimal digits",
            "tokens.toml:1:1: tokn: no such field; did you mean `token`?",
        ];
        assert_eq!(read_text(text).unwrap_err(), expected);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        assert!(read_text("token = 1\n").is_err());
        assert!(read_text("[[token]\n").is_err());
    }
}
