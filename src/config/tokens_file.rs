//! The file of tokens: who may call what, by the hashes of tokens and of clients' certificates.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::fault::{Fault, Place, Position, Problem};
use crate::access::{Access, Fingerprint, Grant, Role};
use crate::scoring::time::Timestamp;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    roles: Spanned<Vec<Spanned<String>>>,
    sha256: Option<Spanned<String>>,
    certificate_sha256: Option<Spanned<String>>,
    expires: Option<Spanned<Datetime>>,
}

/// Reads the file at `path`.
///
/// # Errors
/// Every fault in it.
pub fn read(path: &Path) -> Result<Access, Vec<Fault>> {
    let file = |position, field: &str, problem| Fault {
        place: Place::File {
            path: path.to_owned(),
            position,
        },
        field: field.to_owned(),
        problem,
    };
    let text = fs::read_to_string(path)
        .map_err(|error| vec![file(None, "", Problem::Unreadable(error.to_string()))])?;
    let read: File = toml::from_str(&text).map_err(|error| {
        let position = error.span().map(|span| Position::of(&text, span.start));
        vec![file(
            position,
            "",
            Problem::Content(error.message().to_owned()),
        )]
    })?;
    let mut access = Access::default();
    let mut faults = Vec::new();
    for entry in &read.token {
        let mut fault = |at: usize, field: &str, problem: &str| {
            let position = Some(Position::of(&text, at));
            faults.push(file(position, field, Problem::Content(problem.to_owned())));
        };
        add(entry, &mut access, &mut fault);
    }
    match faults.is_empty() {
        true => Ok(access),
        false => Err(faults),
    }
}

/// Adds what one entry gives; tells `fault` where, in which field and what is wrong.
fn add(entry: &Spanned<Entry>, access: &mut Access, fault: &mut dyn FnMut(usize, &str, &str)) {
    let at = entry.span().start;
    let Entry {
        name,
        roles,
        sha256,
        certificate_sha256,
        expires,
    } = entry.get_ref();
    if name.get_ref().trim().is_empty() {
        fault(name.span().start, "token.name", "must not be empty");
    }
    if roles.get_ref().is_empty() {
        fault(roles.span().start, "token.roles", "must name a role");
    }
    let mut held = Vec::new();
    for role in roles.get_ref() {
        match Role::from_name(role.get_ref()) {
            Some(role) => held.push(role),
            None => {
                let expected = "must be one of score, evidence, admin";
                fault(role.span().start, "token.roles", expected);
            }
        }
    }
    let grant = Grant {
        name: name.get_ref().clone(),
        roles: held,
        expire_time: expires.as_ref().and_then(|expires| {
            let time = moment(expires.get_ref());
            if time.is_none() {
                let expected = "must be a moment, such as 2027-01-31T00:00:00Z";
                fault(expires.span().start, "token.expires", expected);
            }
            time
        }),
    };
    let (hash, field) = match (sha256, certificate_sha256) {
        (Some(hash), None) => (hash, "token.sha256"),
        (None, Some(hash)) => (hash, "token.certificate_sha256"),
        (Some(_), Some(_)) | (None, None) => {
            let expected = "must have sha256 or certificate_sha256, and not both";
            return fault(at, "token", expected);
        }
    };
    let Some(fingerprint) = Fingerprint::parse(hash.get_ref()) else {
        return fault(hash.span().start, field, "must be 64 hexadecimal digits");
    };
    let is_new = match sha256 {
        Some(_) => access.add_token(fingerprint, grant),
        None => access.add_certificate(fingerprint, grant),
    };
    if !is_new {
        fault(hash.span().start, field, "stands here twice");
    }
}

/// A moment with its offset; a day or a time of day alone is none.
fn moment(datetime: &Datetime) -> Option<Timestamp> {
    let moment: jiff::Timestamp = datetime.to_string().parse().ok()?;
    Some(Timestamp::from_unix_ms(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
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
    fn what_is_no_such_file_is_refused() {
        let faults = read_text("[[token]]\nname = \"a\"\nrole = \"score\"\n").unwrap_err();
        assert!(
            faults[0].starts_with("tokens.toml:3:1: unknown field `role`"),
            "{faults:?}"
        );
        assert!(read_text("token = 1\n").is_err());
        assert!(read_text("[[token]\n").is_err());
    }
}
