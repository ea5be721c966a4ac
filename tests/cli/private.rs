//! Who else may read what is kept: nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Folder, Served, doublecheck_after, ran};

/// Would leave everything open to everybody.
const CARELESS: &str = "umask 000";

/// What a file or directory allows to whom.
fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Asserts that only their user can read the files of a directory. Their names.
fn assert_private(directory: &str) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    for name in &names {
        assert_eq!(mode(&format!("{directory}/{name}")), 0o600, "{name}");
    }
    names
}

#[test]
fn nobody_else_can_read_what_is_kept() {
    let folder = Folder::with(&[]);
    let data = folder.path("made/data");
    let serve = ["serve", "--grpc-address", "127.0.0.1:0", "--data-dir"];
    let served = Served::start_after(CARELESS, &[&serve[..], &[&data]].concat());
    served.score_json("p-1", &[]);
    served.end();
    for made in ["made", "made/data"] {
        assert_eq!(mode(&folder.path(made)), 0o700, "{made}");
    }
    let names = assert_private(&data);
    for part in ["token.key", "lock", ".journal", "snapshot-"] {
        assert!(names.iter().any(|name| name.contains(part)), "{names:?}");
    }
}

#[test]
fn an_import_is_for_its_user_too_and_a_directory_that_is_there_stays_as_it_is() {
    let payment = r#"{"type":"payment","time":"2018-04-01T00:00:31Z","payment_id":"p-1","account_id":"a","payee_id":"b","payee_type":"merchant","amount_minor":100,"currency_code":"CNY","kind":"purchase"}"#;
    let folder = Folder::with(&[("payments.jsonl", payment)]);
    let data = folder.path("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o750)).unwrap();
    let arguments = [
        "import",
        &folder.path("payments.jsonl"),
        "--data-dir",
        &data,
    ];
    ran(&doublecheck_after(CARELESS, &arguments).output().unwrap()).succeeded();
    assert_eq!(mode(&data), 0o750);
    assert!(assert_private(&data).len() > 1);
}
